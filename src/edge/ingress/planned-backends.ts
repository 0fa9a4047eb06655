import type { EndpointSlice, Node, Service } from '../../api/types.ts';
import { type BackendWant, type PlannedBackend, placesOf, planBackend, proxyNodes } from './backends.ts';
import type { ProxyNode } from './plan.ts';

/** What backends are made of, by `namespace/name`. */
export interface BackendObjects {
  service(key: string): Service | undefined;
  slices(service: string): readonly EndpointSlice[];
  nodes(): readonly Node[];
}

/** Wanted backends with their servers. A changed endpoint plans its own backend anew and nothing else. */
export class PlannedBackends {
  readonly #objects: BackendObjects;
  readonly #planned = new Map<string, PlannedBackend>();
  /** By name; and those that a Service is behind. */
  #wants: ReadonlyMap<string, BackendWant> = new Map();
  #wantsOfService: ReadonlyMap<string, readonly BackendWant[]> = new Map();
  /** Those whose ports may be used; and all. */
  nodes: readonly ProxyNode[] = [];
  hosts: readonly ProxyNode[] = [];

  constructor(objects: BackendObjects) {
    this.#objects = objects;
  }

  /** By name: the same name is the same want. */
  want(wants: ReadonlyMap<string, BackendWant>): void {
    this.#wants = wants;
    this.#wantsOfService = Map.groupBy(wants.values(), serviceKey);
    for (const name of this.#planned.keys()) if (!wants.has(name)) this.#planned.delete(name);
  }

  /** True where somebody wants it, or where something changed. */
  serviceChanged(key: string): boolean {
    const wants = this.#wantsOfService.get(key);
    for (const { name } of wants ?? []) this.#planned.delete(name);
    return wants !== undefined;
  }

  nodesChanged(): boolean {
    const all = this.#objects.nodes();
    const [nodes, hosts] = [proxyNodes(all), placesOf(all)];
    if (JSON.stringify([nodes, hosts]) === JSON.stringify([this.nodes, this.hosts])) return false;
    this.nodes = nodes;
    this.hosts = hosts;
    this.#planned.clear();
    return true;
  }

  plan(): ReadonlyMap<string, PlannedBackend> {
    for (const [name, want] of this.#wants) if (!this.#planned.has(name)) this.#planned.set(name, this.#plan(want));
    return this.#planned;
  }

  #plan(want: BackendWant): PlannedBackend {
    const key = serviceKey(want);
    return planBackend(want, this.#objects.service(key), this.#objects.slices(key), this.nodes, this.hosts);
  }
}

function serviceKey({ namespace, service }: BackendWant): string {
  return `${namespace}/${service}`;
}
