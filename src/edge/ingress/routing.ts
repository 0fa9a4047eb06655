import type { Ingress, Secret } from '../../api/types.ts';
import type { PlannedBackend } from './backends.ts';
import { type ReadCertificate, readCertificate, type SettledCertificates, settleCertificates } from './certificates.ts';
import { type Settled, settleClaims } from './claims.ts';
import { type IngressPlan, type Note, planIngress } from './ingress.ts';
import type { RoutingPlan } from './plan.ts';
import { type BackendObjects, PlannedBackends } from './planned-backends.ts';
import type { Settings } from './settings.ts';

/** The objects that plans are made of, by `namespace/name`. */
export interface Objects extends BackendObjects {
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
  readonly #backends: PlannedBackends;
  readonly #certificates = new Map<string, ReadCertificate>();
  #settled: (Settled & { readonly tls: SettledCertificates }) | undefined;

  constructor(objects: Objects) {
    this.#objects = objects;
    this.#backends = new PlannedBackends(objects);
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
    return this.#backends.serviceChanged(key);
  }

  secretChanged(key: string): boolean {
    if (!this.#certificates.delete(key)) return false;
    this.#settled = undefined;
    return true;
  }

  nodesChanged(): boolean {
    return this.#backends.nodesChanged();
  }

  plan(): Planned {
    this.#settled ??= this.#settle();
    const { routes, tls } = this.#settled;
    const backends = this.#backends.plan();
    const trusted = new Set([...this.plans.values()].flatMap(({ trustedProxies }) => trustedProxies));
    const plan: RoutingPlan = {
      routes,
      ports: new Map(),
      backends: new Map([...backends].map(([name, { backend }]) => [name, backend])),
      certificates: tls.certificates,
      pems: new Map(),
      nodes: this.#backends.nodes,
      hosts: this.#backends.hosts,
      trustedProxies: [...trusted].toSorted(),
    };
    return { plan, notes: this.#notes(this.#settled, backends) };
  }

  #settle(): Settled & { readonly tls: SettledCertificates } {
    const plans = [...this.plans.values()];
    this.#backends.want(new Map(plans.flatMap((plan) => [...plan.backends])));
    return { ...settleClaims(plans), tls: settleCertificates(plans, (key) => this.#certificateOf(key)) };
  }

  #certificateOf(key: string): ReadCertificate {
    const known = this.#certificates.get(key);
    if (known) return known;
    const read = readCertificate(this.#objects.secret(key));
    this.#certificates.set(key, read);
    return read;
  }

  #notes(
    { notes, tls }: Settled & { readonly tls: SettledCertificates },
    planned: ReadonlyMap<string, PlannedBackend>,
  ): Map<string, readonly Note[]> {
    return new Map(
      [...this.plans.values()].map(({ key, notes: own, backends }) => {
        const ofBackends = [...backends.keys()].flatMap((name) => planned.get(name)?.notes ?? []);
        return [key, [...own, ...(notes.get(key) ?? []), ...(tls.notes.get(key) ?? []), ...ofBackends]];
      }),
    );
  }
}
