import type { Ingress } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import { type BackendWant, backendName } from './backends.ts';
import type { Claim } from './claims.ts';
import type { RouteMatch } from './plan.ts';
import type { Settings } from './settings.ts';

/** Something that the owner of an Ingress should know; becomes an event. */
export interface Note {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface CertificateWant {
  /** `namespace/name` of the Secret; not there: the proxy's own certificate serves. */
  readonly secret: string;
  /** Empty: the names that stand in the certificate. */
  readonly hosts: readonly string[];
}

/** What one Ingress wants, before anybody knows what the others want. */
export interface IngressPlan {
  /** `namespace/name` */
  readonly key: string;
  readonly createdAt: string;
  readonly claims: readonly Claim[];
  /** By name. */
  readonly backends: ReadonlyMap<string, BackendWant>;
  readonly certificates: readonly CertificateWant[];
  readonly trustedProxies: readonly string[];
  readonly notes: readonly Note[];
}

type Backend = NonNullable<NonNullable<Ingress['spec']>['defaultBackend']>;
type Rule = NonNullable<NonNullable<Ingress['spec']>['rules']>[number];

/** Reads one Ingress under its settings. Pure: whether its Services and Secrets exist is not asked here. */
export function planIngress(ingress: Ingress, settings: Settings): IngressPlan {
  const reader = new IngressReader(ingress, settings);
  reader.read();
  return reader.plan();
}

class IngressReader {
  readonly #ingress: Ingress;
  readonly #settings: Settings;
  readonly #key: string;
  readonly #claims: Claim[] = [];
  readonly #backends = new Map<string, BackendWant>();
  readonly #notes: Note[] = [];

  constructor(ingress: Ingress, settings: Settings) {
    this.#ingress = ingress;
    this.#settings = settings;
    this.#key = keyOf(ingress);
  }

  read(): void {
    const { rules = [], defaultBackend } = this.#ingress.spec ?? {};
    for (const rule of rules) this.#readRule(rule);
    if (!defaultBackend || this.#refuses('what matches no rule', defaultBackend)) return;
    // For what its own hosts do not lead elsewhere, and for requests that nobody wants.
    const hosts = new Set([...rules.map((rule) => rule.host?.toLowerCase() ?? ''), '']);
    for (const host of hosts) this.#claim({ host, match: 'prefix', path: '/' }, 'default', defaultBackend);
  }

  plan(): IngressPlan {
    const { tls = [] } = this.#ingress.spec ?? {};
    const { metadata } = this.#ingress;
    return {
      key: this.#key,
      createdAt: metadata?.creationTimestamp ?? '',
      claims: this.#claims,
      backends: this.#backends,
      certificates: tls.flatMap(({ secretName, hosts = [] }) =>
        secretName
          ? [{ secret: `${metadata?.namespace}/${secretName}`, hosts: hosts.map((host) => host.toLowerCase()) }]
          : [],
      ),
      trustedProxies: this.#settings.trustedProxies,
      notes: this.#notes,
    };
  }

  #readRule(rule: Rule): void {
    const host = rule.host?.toLowerCase() ?? '';
    for (const { path = '', pathType, backend } of rule.http?.paths ?? []) {
      const match = matchOf(host, pathType, path);
      if (match) this.#claim(match, 'rule', backend);
      else this.#warn('InvalidPath', `no request has the path ${JSON.stringify(path)}: it is left out`);
    }
  }

  /** Only Services can be backends. */
  #refuses(where: string, { service, resource }: Backend): boolean {
    if (service) return false;
    const target = `${resource?.kind} ${resource?.name}`;
    this.#warn('UnsupportedBackend', `${where} leads to ${target}: only Services can be backends here`);
    return true;
  }

  #claim(match: RouteMatch, rank: Claim['rank'], backend: Backend): void {
    if (this.#refuses(`${match.host}${match.path}`, backend) || !backend.service) return;
    const want = this.#want(backend.service, match);
    this.#backends.set(want.name, want);
    this.#claims.push({ ...match, rank, backend: want.name, source: this.#key, canary: this.#settings.canary });
  }

  #want(service: NonNullable<Backend['service']>, { path }: RouteMatch): BackendWant {
    const { backends: mode, policy, protocol, replacePrefix } = this.#settings;
    const namespace = this.#ingress.metadata?.namespace ?? '';
    const port = service.port?.name || service.port?.number || 0;
    const rewrite = replacePrefix === undefined ? undefined : { prefix: path, to: replacePrefix };
    const want = { namespace, service: service.name, port, mode, protocol, policy: { ...policy, rewrite } };
    return { ...want, name: backendName(want) };
  }

  #warn(reason: string, message: string): void {
    this.#notes.push({ type: 'Warning', reason, message });
  }
}

/** Undefined where no request can have this path. ImplementationSpecific is read as a prefix; `/*` at its end as well. */
function matchOf(host: string, pathType: string, path: string): RouteMatch | undefined {
  if (/[^!-~]/.test(path)) return undefined;
  if (pathType === 'Exact') return { host, match: 'exact', path };
  const prefix = pathType === 'Prefix' ? path : path.replace(/\*$/, '');
  return { host, match: 'prefix', path: prefix.replace(/\/+$/, '') || '/' };
}
