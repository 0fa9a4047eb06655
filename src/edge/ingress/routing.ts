import type { EndpointSlice, Ingress, Node, Secret, Service } from '../../api/types.ts';
import { type BackendWant, type PlannedBackend, placesOf, planBackend, proxyNodes } from './backends.ts';
import { type ReadCertificate, readCertificate, type SettledCertificates, settleCertificates } from './certificates.ts';
import { type Settled, settleClaims } from './claims.ts';
import { type IngressPlan, type Note, planIngress } from './ingress.ts';
import type { ProxyNode, RoutingPlan } from './plan.ts';
import type { Settings } from './settings.ts';

/** The objects that plans are made of, by `namespace/name`. */
export interface Objects {
  service(key: string): Service | undefined;
  slices(service: string): readonly EndpointSlice[];
  nodes(): readonly Node[];
  secret(key: string): Secret | undefined;
}

/** The plan of everything, and what the owners of Ingresses should know, by the Ingress' key. */
export interface Planned {
  readonly plan: RoutingPlan;
  readonly notes: ReadonlyMap<string, readonly Note[]>;
}

/**
 * The routing plan, kept up to date part by part: a changed endpoint plans its backend anew and nothing else; routes
 * are settled again when an Ingress changed.
 */
export class Routing {
  readonly plans = new Map<string, IngressPlan>();
  readonly #objects: Objects;
  readonly #backends = new Map<string, PlannedBackend>();
  readonly #certificates = new Map<string, ReadCertificate>();
  /** By name; and those that a Service is behind. */
  #wants = new Map<string, BackendWant>();
  #wantsOfService: ReadonlyMap<string, readonly BackendWant[]> = new Map();
  #nodes: readonly ProxyNode[] = [];
  #hosts: readonly ProxyNode[] = [];
  #settled: (Settled & { readonly tls: SettledCertificates }) | undefined;

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  set(ingress: Ingress, settings: Settings, notes: readonly Note[]): void {
    const plan = planIngress(ingress, settings);
    this.plans.set(plan.key, { ...plan, notes: [...notes, ...plan.notes] });
    this.#settled = undefined;
  }

  remove(key: string): void {
    if (this.plans.delete(key)) this.#settled = undefined;
  }

  /** True where somebody wants it, as with the next two. */
  serviceChanged(key: string): boolean {
    const wants = this.#wantsOfService.get(key);
    for (const { name } of wants ?? []) this.#backends.delete(name);
    return wants !== undefined;
  }

  secretChanged(key: string): boolean {
    if (!this.#certificates.delete(key)) return false;
    this.#settled = undefined;
    return true;
  }

  nodesChanged(): boolean {
    const all = this.#objects.nodes();
    const [nodes, hosts] = [proxyNodes(all), placesOf(all)];
    if (JSON.stringify([nodes, hosts]) === JSON.stringify([this.#nodes, this.#hosts])) return false;
    this.#nodes = nodes;
    this.#hosts = hosts;
    this.#backends.clear();
    return true;
  }

  plan(): Planned {
    this.#settled ??= this.#settle();
    const { routes, tls } = this.#settled;
    for (const [name, want] of this.#wants) if (!this.#backends.has(name)) this.#backends.set(name, this.#plan(want));
    const trusted = new Set([...this.plans.values()].flatMap(({ trustedProxies }) => trustedProxies));
    const plan: RoutingPlan = {
      routes,
      backends: new Map([...this.#backends].map(([name, { backend }]) => [name, backend])),
      certificates: tls.certificates,
      nodes: this.#nodes,
      hosts: this.#hosts,
      trustedProxies: [...trusted].toSorted(),
    };
    return { plan, notes: this.#notes(this.#settled) };
  }

  #settle(): Settled & { readonly tls: SettledCertificates } {
    const plans = [...this.plans.values()];
    this.#wants = new Map(plans.flatMap((plan) => [...plan.backends]));
    this.#wantsOfService = Map.groupBy(this.#wants.values(), serviceKey);
    for (const name of this.#backends.keys()) if (!this.#wants.has(name)) this.#backends.delete(name);
    return { ...settleClaims(plans), tls: settleCertificates(plans, (key) => this.#certificateOf(key)) };
  }

  #certificateOf(key: string): ReadCertificate {
    const known = this.#certificates.get(key);
    if (known) return known;
    const read = readCertificate(this.#objects.secret(key));
    this.#certificates.set(key, read);
    return read;
  }

  #plan(want: BackendWant): PlannedBackend {
    const key = serviceKey(want);
    return planBackend(want, this.#objects.service(key), this.#objects.slices(key), this.#nodes, this.#hosts);
  }

  #notes({ notes, tls }: Settled & { readonly tls: SettledCertificates }): Map<string, readonly Note[]> {
    return new Map(
      [...this.plans.values()].map(({ key, notes: own, backends }) => {
        const ofBackends = [...backends.keys()].flatMap((name) => this.#backends.get(name)?.notes ?? []);
        return [key, [...own, ...(notes.get(key) ?? []), ...(tls.notes.get(key) ?? []), ...ofBackends]];
      }),
    );
  }
}

function serviceKey({ namespace, service }: BackendWant): string {
  return `${namespace}/${service}`;
}
