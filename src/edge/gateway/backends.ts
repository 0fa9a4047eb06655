import type { Service } from '../../api/types.ts';
import { type BackendWant, backendName, shortHash } from '../ingress/backends.ts';
import type { BackendPlan, BackendPolicy, BackendProtocol, BackendTLS, WeightedBackend } from '../ingress/plan.ts';
import type { Pem } from './authorities.ts';
import type { Problem } from './conditions.ts';
import { isGranted } from './grants.ts';
import type { BackendReference, ReferenceGrant } from './objects.ts';
import { type Entrance, type Match, noActions, policyOf, type Rule } from './rules.ts';
import type { TLSPolicies } from './tls-policies.ts';

/** The route that refers to backends. */
export interface Referrer {
  readonly kind: string;
  readonly namespace: string;
}

/** The way that requests come: by a port of a Gateway, `namespace/name`. */
export interface Way extends Entrance {
  readonly gateway: string;
  /** What it shows to servers in TLS. */
  readonly shown?: Pem | Problem;
}

export interface BackendWorld {
  readonly grants: readonly ReferenceGrant[];
  service(key: string): Service | undefined;
}

/** Why a reference leads nowhere. */
export function problemOf(ref: BackendReference, from: Referrer, world: BackendWorld): Problem | undefined {
  const { group = '', kind = 'Service', name, namespace = from.namespace, port } = ref;
  const key = `${namespace}/${name}`;
  if (group !== '' || kind !== 'Service') {
    return { reason: 'InvalidKind', message: `${kind} ${key}: only Services can be backends` };
  }
  if (!isGranted({ from, to: { group, kind, name, namespace } }, world.grants)) {
    return { reason: 'RefNotPermitted', message: `no ReferenceGrant lets this ${from.kind} use Service ${key}` };
  }
  const service = world.service(key);
  if (!service) return { reason: 'BackendNotFound', message: `there is no Service ${key}` };
  if (service.spec?.type === 'ExternalName') {
    return { reason: 'UnsupportedValue', message: `Service ${key} is of type ExternalName, which is not served` };
  }
  if (service.spec?.ports?.some((each) => each.port === port)) return undefined;
  return { reason: 'BackendNotFound', message: `Service ${key} has no port ${port}` };
}

/** By the kind of route: how its requests are answered that lead nowhere. */
const invalidOf: Readonly<Record<string, BackendPolicy>> = {
  HTTPRoute: { answer: 500 },
  GRPCRoute: { answer: 503 },
  TLSRoute: { stream: true },
};

/** The same: how servers are spoken to. Of HTTP the Service says it. */
const protocolOf: Readonly<Record<string, BackendProtocol>> = { GRPCRoute: 'h2c', TLSRoute: 'tcp' };

/** The same in TLS. */
const protocolInTLS: typeof protocolOf = { HTTPRoute: 'https', GRPCRoute: 'grpcs', TLSRoute: 'tcp' };

/** Backends by name, as rules come to want them. */
export class WantedBackends {
  /** Ports of Services. */
  readonly services = new Map<string, BackendWant>();
  /** Those without servers, which answer all by themselves. */
  readonly answering = new Map<string, BackendPlan>();
  readonly #world: BackendWorld;
  readonly #policies: TLSPolicies;

  constructor(world: BackendWorld, policies: TLSPolicies) {
    this.#world = world;
    this.#policies = policies;
  }

  /** Where requests of a match go. What cannot be had is answered with 500, a gRPC call with UNAVAILABLE, TLS with its end. */
  of(rule: Rule, match: Match, from: Referrer, way: Way): WeightedBackend[] {
    if (rule.actions.redirect) {
      const policy = policyOf(rule, match, noActions, way);
      return [{ backend: this.#answer('redirect', policy), weight: 1 }];
    }
    const refs = rule.backendRefs.filter(({ ref }) => ref.weight !== 0);
    const invalid = () => this.#answer('invalid', invalidOf[from.kind] ?? {});
    if (refs.length === 0) return [{ backend: invalid(), weight: 1 }];
    return refs.map(({ ref, actions }) => {
      const weight = ref.weight ?? 1;
      if (problemOf(ref, from, this.#world)) return { backend: invalid(), weight };
      const tls = this.#tls(ref, from, way);
      if (tls && 'reason' in tls) return { backend: invalid(), weight };
      const policy = policyOf(rule, match, actions, way);
      return { backend: this.#service(ref, from, tls ? { ...policy, tls } : policy), weight };
    });
  }

  #tls(
    { name, namespace, port = 0 }: BackendReference,
    from: Referrer,
    { gateway, shown }: Way,
  ): BackendTLS | Problem | undefined {
    const key = `${namespace ?? from.namespace}/${name}`;
    const service = this.#world.service(key);
    const tls = service && this.#policies.of(service, key, port, gateway);
    return tls && 'hostname' in tls && shown && 'pem' in shown ? { ...tls, certificate: shown.name } : tls;
  }

  #service({ name: service, namespace, port = 0 }: BackendReference, from: Referrer, policy: BackendPolicy): string {
    const want = {
      namespace: namespace ?? from.namespace,
      service,
      port,
      mode: 'nodes' as const,
      protocol: (policy.tls ? protocolInTLS : protocolOf)[from.kind],
      policy,
    };
    const name = backendName(want);
    this.services.set(name, { ...want, name });
    return name;
  }

  #answer(what: string, policy: BackendPolicy): string {
    const name = `${what}_${shortHash(JSON.stringify(policy))}`;
    this.answering.set(name, { name, policy, servers: [] });
    return name;
  }
}
