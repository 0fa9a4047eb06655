import { milliValue, quantityValue } from '../api/quantity.ts';
import type { Container, PodSpec } from '../api/types.ts';

/** Amounts by resource name: `cpu` in thousandths of a core, `memory` and storage in bytes, others in their own unit. */
export type Amounts = Map<string, number>;

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
  const amounts: Amounts = new Map();
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
  for (const [resource, amount] of amountsOf(spec?.resources?.requests)) {
    amounts.set(resource, amount);
    if (scored.has(resource)) scored.set(resource, amount);
  }
  const overhead = amountsOf(spec?.overhead);
  add(amounts, overhead);
  add(scored, overhead);
  return { amounts, scored: { cpu: scored.get('cpu') ?? 0, memory: scored.get('memory') ?? 0 } };
}

function effective(spec: PodSpec | undefined, requestOf: (container: Container) => Amounts): Amounts {
  const sum: Amounts = new Map();
  const peak: Amounts = new Map();
  const sidecars: Amounts = new Map();
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
  return new Map([
    ['cpu', cpu === undefined ? defaultRequest.cpu : amountOf('cpu', cpu)],
    ['memory', memory === undefined ? defaultRequest.memory : amountOf('memory', memory)],
  ]);
}

/** Adds (or with -1 takes away) `more` in place. */
export function add(amounts: Amounts, more: ReadonlyMap<string, number>, sign: 1 | -1 = 1): void {
  for (const [resource, amount] of more) amounts.set(resource, (amounts.get(resource) ?? 0) + sign * amount);
}

function raise(amounts: Amounts, least: ReadonlyMap<string, number>): void {
  for (const [resource, amount] of least) amounts.set(resource, Math.max(amounts.get(resource) ?? 0, amount));
}
