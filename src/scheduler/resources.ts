import { milliValue, quantityValue } from '../api/quantity.ts';
import type { Container, PodSpec } from '../api/types.ts';

/**
 * Amounts by resource name: `cpu` in thousandths of a core, `memory` and storage in bytes, others in their own unit. The
 * two that every pod is compared by, on each node, are plain numbers.
 */
export class Amounts implements Iterable<readonly [string, number]> {
  cpu = 0;
  memory = 0;
  readonly #others = new Map<string, number>();

  get(resource: string): number {
    if (resource === 'cpu') return this.cpu;
    if (resource === 'memory') return this.memory;
    return this.#others.get(resource) ?? 0;
  }

  set(resource: string, amount: number): void {
    if (resource === 'cpu') this.cpu = amount;
    else if (resource === 'memory') this.memory = amount;
    else this.#others.set(resource, amount);
  }

  get hasOthers(): boolean {
    return this.#others.size > 0;
  }

  /** `cpu` and `memory` come first. */
  *[Symbol.iterator](): Iterator<readonly [string, number]> {
    yield ['cpu', this.cpu];
    yield ['memory', this.memory];
    yield* this.#others;
  }
}

/** What a container without a request counts as when nodes are compared (Kubernetes' non-zero defaults). */
const defaultRequest = { cpu: 100, memory: 200 * 1024 * 1024 };

export interface PodRequests {
  readonly amounts: Amounts;
  /** `cpu` and `memory` with defaults for containers that ask for none. */
  readonly scored: { readonly cpu: number; readonly memory: number };
}

type Quantities = Readonly<Record<string, string>> | undefined;

const parsed = new Map<string, number>();
/** Enough for all spellings that a cluster uses; a bound against those it invents. */
const maxParsed = 4096;

/** A quantity in the unit of {@link Amounts}; 0 where it is none. */
export function amountOf(resource: string, quantity: string): number {
  const key = resource === 'cpu' ? `m${quantity}` : quantity;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const amount = resource === 'cpu' ? milliValue(quantity) : quantityValue(quantity);
  if (parsed.size >= maxParsed) parsed.clear();
  parsed.set(key, amount);
  return amount;
}

export function amountsOf(quantities: Quantities): Amounts {
  const amounts = new Amounts();
  for (const [resource, quantity] of Object.entries(quantities ?? {}))
    amounts.set(resource, amountOf(resource, quantity));
  return amounts;
}

/**
 * What a pod needs of its node: the sum of its containers and sidecars, or the most that any moment of its start
 * needs, whichever is larger, and its overhead (KEP-753). Requests of the pod as a whole go before (KEP-2837).
 */
export function podRequests(spec: PodSpec | undefined): PodRequests {
  const amounts = effective(spec, (container) => amountsOf(container.resources?.requests));
  const scored = effective(spec, scoredRequest);
  for (const [resource, quantity] of Object.entries(spec?.resources?.requests ?? {})) {
    const amount = amountOf(resource, quantity);
    amounts.set(resource, amount);
    scored.set(resource, amount);
  }
  const overhead = amountsOf(spec?.overhead);
  add(amounts, overhead);
  add(scored, overhead);
  return { amounts, scored: { cpu: scored.cpu, memory: scored.memory } };
}

function effective(spec: PodSpec | undefined, requestOf: (container: Container) => Amounts): Amounts {
  const sum = new Amounts();
  const peak = new Amounts();
  const sidecars = new Amounts();
  for (const container of spec?.initContainers ?? []) {
    const request = requestOf(container);
    if (container.restartPolicy === 'Always') {
      add(sidecars, request);
      raise(peak, sidecars);
    } else {
      // An init container runs beside the sidecars that were started before it.
      add(request, sidecars);
      raise(peak, request);
    }
  }
  for (const container of spec?.containers ?? []) add(sum, requestOf(container));
  add(sum, sidecars);
  raise(sum, peak);
  return sum;
}

function scoredRequest(container: Container): Amounts {
  const { cpu, memory } = container.resources?.requests ?? {};
  const amounts = new Amounts();
  amounts.cpu = cpu === undefined ? defaultRequest.cpu : amountOf('cpu', cpu);
  amounts.memory = memory === undefined ? defaultRequest.memory : amountOf('memory', memory);
  return amounts;
}

/** Adds (or with -1 takes away) `more` in place. */
export function add(amounts: Amounts, more: Amounts, sign: 1 | -1 = 1): void {
  for (const [resource, amount] of more) amounts.set(resource, amounts.get(resource) + sign * amount);
}

function raise(amounts: Amounts, least: Amounts): void {
  for (const [resource, amount] of least) amounts.set(resource, Math.max(amounts.get(resource), amount));
}
