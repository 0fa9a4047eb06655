import { X509Certificate } from 'node:crypto';
import type { ConfigMap, Service } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import { shortHash } from '../ingress/backends.ts';
import type { BackendTLS } from '../ingress/plan.ts';
import { type Problem, unless, type Verdict } from './conditions.ts';
import type { BackendTLSPolicy } from './objects.ts';

export interface PolicyObjects {
  readonly tlsPolicies: readonly BackendTLSPolicy[];
  configMap(key: string): ConfigMap | undefined;
}

/** A policy, read, and the Gateways whose routes lead to what it is about. */
interface PlannedPolicy {
  readonly policy: BackendTLSPolicy;
  /** How servers are spoken to; nothing where that cannot be known. */
  readonly tls?: BackendTLS;
  /** PEM of `tls.authority`. */
  readonly pem?: string;
  readonly refused?: Problem;
  readonly unresolved?: Problem;
  /** `namespace/name` */
  readonly ancestors: Set<string>;
}

export interface PolicyReport {
  readonly policy: BackendTLSPolicy;
  readonly gateways: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/** BackendTLSPolicies by what they are about. Of two for the same the older one counts, of others the one for the port. */
export class TLSPolicies {
  readonly #byTarget = new Map<string, PlannedPolicy>();
  /** Older ones first. */
  readonly #all: PlannedPolicy[] = [];

  constructor({ tlsPolicies, configMap }: PolicyObjects) {
    for (const policy of tlsPolicies.toSorted(olderFirst)) {
      const targets = targetsOf(policy);
      const taken = targets.map((target) => this.#byTarget.get(target)).find((each) => each !== undefined);
      const planned: PlannedPolicy = taken
        ? { policy, ancestors: taken.ancestors, refused: conflict(taken.policy) }
        : { policy, ancestors: new Set(), ...readPolicy(policy, configMap) };
      this.#all.push(planned);
      if (!taken) for (const target of targets) this.#byTarget.set(target, planned);
    }
  }

  /** How a port of a Service is spoken to by a Gateway's wish; undefined: nothing is said of it. */
  of(service: Service, key: string, port: number, gateway: string): BackendTLS | Problem | undefined {
    const name = service.spec?.ports?.find((each) => each.port === port)?.name;
    const found = this.#byTarget.get(`${key}/${name}`) ?? this.#byTarget.get(key);
    if (!found) return undefined;
    found.ancestors.add(gateway);
    return found.tls ?? found.refused ?? found.unresolved;
  }

  /** PEM, by name. */
  authorities(): Map<string, string> {
    return new Map(this.#all.flatMap(({ tls, pem }) => (tls?.authority && pem ? [[tls.authority, pem] as const] : [])));
  }

  reports(): PolicyReport[] {
    return this.#all.map(({ policy, ancestors, refused, unresolved }) => ({
      policy,
      gateways: [...ancestors].toSorted(),
      verdicts: [unless(refused, 'Accepted'), unless(unresolved, 'ResolvedRefs')],
    }));
  }
}

/** `namespace/service` or `namespace/service/PORT NAME`. */
function targetsOf({ metadata, spec }: BackendTLSPolicy): string[] {
  return spec.targetRefs.flatMap(({ group, kind, name, sectionName }) => {
    if (group !== '' || kind !== 'Service') return [];
    return `${metadata?.namespace}/${name}${sectionName === undefined ? '' : `/${sectionName}`}`;
  });
}

function readPolicy(
  { metadata, spec }: BackendTLSPolicy,
  configMap: PolicyObjects['configMap'],
): Omit<PlannedPolicy, 'policy' | 'ancestors'> {
  const { hostname, subjectAltNames = [], caCertificateRefs = [], wellKnownCACertificates } = spec.validation;
  if (subjectAltNames.some((each) => each.type !== 'Hostname' || each.hostname !== hostname)) {
    return { refused: { reason: 'Invalid', message: 'servers are known by the hostname alone: no subjectAltNames' } };
  }
  if (caCertificateRefs.length === 0) {
    if (wellKnownCACertificates === 'System') return { tls: { hostname } };
    return { refused: { reason: 'Invalid', message: `${wellKnownCACertificates}: there is System` } };
  }
  const read = caCertificateRefs.map(({ group, kind, name }): string | Problem => {
    if (group !== '' || kind !== 'ConfigMap') {
      return { reason: 'InvalidKind', message: `${kind} ${name}: authorities are taken from ConfigMaps` };
    }
    const pem = authoritiesIn(configMap(`${metadata?.namespace}/${name}`)?.data?.['ca.crt']);
    return pem ?? { reason: 'InvalidCACertificateRef', message: `ConfigMap ${name} has no certificates in ca.crt` };
  });
  const unresolved = read.find((each) => typeof each !== 'string');
  const pem = read.filter((each) => typeof each === 'string').join('');
  if (pem === '') {
    return { refused: { reason: 'NoValidCACertificate', message: unresolved?.message ?? '' }, unresolved };
  }
  return { tls: { hostname, authority: `ca-${shortHash(pem)}` }, pem, unresolved };
}

/** The certificates of a bundle, or nothing where it has something else. */
function authoritiesIn(bundle = ''): string | undefined {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return found.length > 0 ? found.map((pem) => new X509Certificate(pem).toString()).join('') : undefined;
  } catch {
    return undefined;
  }
}

function conflict(other: BackendTLSPolicy): Problem {
  return { reason: 'Conflicted', message: `BackendTLSPolicy ${keyOf(other)}, which is older, is about the same` };
}

function olderFirst(a: BackendTLSPolicy, b: BackendTLSPolicy): number {
  const [of, and] = [a, b].map(
    ({ metadata }) => `${metadata?.creationTimestamp} ${metadata?.namespace}/${metadata?.name}`,
  );
  return (of ?? '') < (and ?? '') ? -1 : 1;
}
