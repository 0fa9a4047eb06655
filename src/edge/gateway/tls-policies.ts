import type { Service } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { BackendTLS } from '../ingress/plan.ts';
import { type AuthorityObjects, type Pem, readAuthorities } from './authorities.ts';
import { type Problem, unless, type Verdict } from './conditions.ts';
import { type BackendTLSPolicy, olderFirst } from './objects.ts';

export interface PolicyObjects extends AuthorityObjects {
  readonly tlsPolicies: readonly BackendTLSPolicy[];
}

/** A policy, read, and the Gateways whose routes lead to what it is about. */
interface PlannedPolicy {
  readonly policy: BackendTLSPolicy;
  /** How servers are spoken to; nothing where that cannot be known. */
  readonly tls?: BackendTLS;
  /** Those that `tls.authority` names. */
  readonly authorities?: Pem;
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

  constructor(objects: PolicyObjects) {
    for (const policy of objects.tlsPolicies.toSorted(olderFirst)) {
      const targets = targetsOf(policy);
      const taken = targets.map((target) => this.#byTarget.get(target)).find((each) => each !== undefined);
      const planned: PlannedPolicy = taken
        ? { policy, ancestors: taken.ancestors, refused: conflict(taken.policy) }
        : { policy, ancestors: new Set(), ...readPolicy(policy, objects) };
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

  authorities(): Pem[] {
    return this.#all.flatMap(({ authorities }) => authorities ?? []);
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
  objects: AuthorityObjects,
): Omit<PlannedPolicy, 'policy' | 'ancestors'> {
  const { hostname, subjectAltNames = [], caCertificateRefs = [], wellKnownCACertificates } = spec.validation;
  if (subjectAltNames.some((each) => each.type !== 'Hostname' || each.hostname !== hostname)) {
    return { refused: { reason: 'Invalid', message: 'servers are known by the hostname alone: no subjectAltNames' } };
  }
  if (caCertificateRefs.length === 0) {
    if (wellKnownCACertificates === 'System') return { tls: { hostname } };
    return { refused: { reason: 'Invalid', message: `${wellKnownCACertificates}: there is System` } };
  }
  const from = { kind: 'BackendTLSPolicy', namespace: metadata?.namespace ?? '' };
  const { authorities, unresolved } = readAuthorities(caCertificateRefs, from, 'InvalidKind', objects);
  if (!authorities) {
    return { refused: { reason: 'NoValidCACertificate', message: unresolved?.message ?? '' }, unresolved };
  }
  return { tls: { hostname, authority: authorities.name }, authorities, unresolved };
}

function conflict(other: BackendTLSPolicy): Problem {
  return { reason: 'Conflicted', message: `BackendTLSPolicy ${keyOf(other)}, which is older, is about the same` };
}
