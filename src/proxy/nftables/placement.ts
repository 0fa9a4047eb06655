import { KnitError } from '../../base/errors.ts';
import type { PlannedEndpoint, PortPlan } from '../plan.ts';
import { FIRST_AFFINITY_SHAPE, parseShapeChain, type Shape, shapeChain } from './ruleset.ts';
import { MAX_ENDPOINTS, MAX_POOL, SHAPE_MASK } from './values.ts';

/** Where a pool of the plan stands in the kernel's maps. */
export interface PoolPlacement {
  readonly pool: number;
  readonly shape: number;
  /** `address . port`, by slot. */
  readonly endpoints: readonly string[];
  /**
   * Serial numbers of the endpoints in their pool, by slot; only with affinity. A client is remembered with its
   * endpoint's serial, since slots move.
   */
  readonly serials?: readonly number[];
}

export type PoolName = keyof PortPlan['pools'];

/** Of one port, in the table's family; empty for a port of the other. */
export type PortPlacement = { readonly [Name in PoolName]?: PoolPlacement };

/** Of one entry, in the order of its ports. */
export type Placements = readonly PortPlacement[];

export function endpointText({ address, port }: Pick<PlannedEndpoint, 'address' | 'port'>): string {
  return `${address} . ${port}`;
}

export interface NewChains {
  readonly slots: readonly number[];
  readonly shapes: readonly { readonly shape: Shape; readonly number: number }[];
}

/** Gives out pools and shapes of one table. */
export class Allocator {
  readonly #pools = new Set<number>();
  #nextPool = 1;
  readonly #shapes = new Map<string, number>();
  #nextAffinityShape = FIRST_AFFINITY_SHAPE;
  #slots = 0;
  #newShapes: { shape: Shape; number: number }[] = [];
  #newSlots: number[] = [];

  /** Takes a pool that is in the kernel already; false where it is taken. */
  adoptPool(pool: number): boolean {
    if (pool < 1 || pool > MAX_POOL || this.#pools.has(pool)) return false;
    this.#pools.add(pool);
    this.#nextPool = Math.max(this.#nextPool, pool + 1);
    return true;
  }

  adoptShape(chain: string, number: number): void {
    this.#shapes.set(chain, number);
    if (number >= this.#nextAffinityShape) this.#nextAffinityShape = number + 1;
  }

  /** Slots 0 to `count - 1` have their chains in the kernel. */
  adoptSlots(count: number): void {
    this.#slots = count;
  }

  /** Chains that are needed and not in the kernel yet; each is told once. */
  takeNewChains(): NewChains {
    const chains = { slots: this.#newSlots, shapes: this.#newShapes };
    this.#newSlots = [];
    this.#newShapes = [];
    return chains;
  }

  /** All chains of this table so far. */
  allChains(): NewChains {
    const shapes = [...this.#shapes].map(([chain, number]) => ({ shape: parseShapeChain(chain), number }));
    return { slots: Array.from({ length: this.#slots }, (_, slot) => slot), shapes };
  }

  free(pool: number): void {
    this.#pools.delete(pool);
  }

  /**
   * Places `endpoints`, keeping each in the slot it had: a change of one endpoint touches at most two slots.
   * Throws `POOLS_FULL`.
   */
  place(
    endpoints: readonly PlannedEndpoint[],
    affinitySeconds: number | undefined,
    previous: PoolPlacement | undefined,
  ): PoolPlacement {
    const wanted = endpoints.slice(0, MAX_ENDPOINTS).map(endpointText);
    const order = previous ? keepSlots(previous.endpoints, wanted) : wanted;
    const pool = previous?.pool ?? this.#takePool();
    const shape = this.#shapeOf(order.length, affinitySeconds);
    if (affinitySeconds === undefined) return { pool, shape, endpoints: order };
    return { pool, shape, endpoints: order, serials: serialsOf(order, previous) };
  }

  /** A pool's number is used again as late as possible: a packet between two lookups must not find another Service's pool. */
  #takePool(): number {
    for (let tries = 0; tries < MAX_POOL; tries++) {
      const pool = this.#nextPool;
      this.#nextPool = pool >= MAX_POOL ? 1 : pool + 1;
      if (this.adoptPool(pool)) return pool;
    }
    throw new KnitError('POOLS_FULL', `more than ${MAX_POOL} pools of endpoints`, 'use fewer Service ports');
  }

  #shapeOf(count: number, affinitySeconds: number | undefined): number {
    const shape: Shape = { count, affinitySeconds };
    const chain = shapeChain(shape);
    const known = this.#shapes.get(chain);
    if (known !== undefined) return known;
    const number = affinitySeconds === undefined ? count : this.#nextAffinityShape++;
    if (number >= SHAPE_MASK) {
      throw new KnitError('SHAPES_FULL', 'too many combinations of endpoint count and affinity time-out');
    }
    while (this.#slots < count) this.#newSlots.push(this.#slots++);
    this.#shapes.set(chain, number);
    this.#newShapes.push({ shape, number });
    return number;
  }
}

function serialsOf(endpoints: readonly string[], previous: PoolPlacement | undefined): number[] {
  const known = new Map(previous?.serials?.map((serial, slot) => [previous.endpoints[slot], serial]));
  const used = new Set(endpoints.flatMap((endpoint) => known.get(endpoint) ?? []));
  let next = 0;
  return endpoints.map((endpoint) => {
    const serial = known.get(endpoint);
    if (serial !== undefined) return serial;
    while (used.has(next)) next++;
    return next++;
  });
}

/** Those that stay keep their slots; new ones and the last ones fill the holes. */
function keepSlots(previous: readonly string[], wanted: readonly string[]): string[] {
  const missing = new Set(wanted);
  const slots: (string | undefined)[] = previous.map((endpoint) => (missing.delete(endpoint) ? endpoint : undefined));
  for (const endpoint of missing) {
    const hole = slots.indexOf(undefined);
    if (hole < 0) slots.push(endpoint);
    else slots[hole] = endpoint;
  }
  for (let hole = slots.indexOf(undefined); hole >= 0; hole = slots.indexOf(undefined, hole)) {
    const last = slots.pop();
    if (hole < slots.length) slots[hole] = last;
  }
  return slots.filter((slot) => slot !== undefined);
}
