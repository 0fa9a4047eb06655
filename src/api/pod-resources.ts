import { addQuantities, compareQuantities, parseQuantity, type Quantity } from './quantity.ts';
import type { Container, PodSpec } from './types.ts';

/** Exact amounts by resource name. */
export type Quantities = Map<string, Quantity>;

type Side = 'requests' | 'limits';

export function quantitiesOf(texts: Readonly<Record<string, string>> | undefined): Quantities {
  return new Map(Object.entries(texts ?? {}).map(([name, text]) => [name, parseQuantity(text)]));
}

/**
 * What a pod asks for, or may use at most: the sum of its containers and sidecars, or the most that a moment of its
 * start needs, whichever is larger, and its overhead (KEP-753). What the pod as a whole says goes before (KEP-2837).
 */
export function podQuantities(spec: PodSpec | undefined, side: Side): Quantities {
  const sum = containerQuantities(spec, side);
  for (const [name, amount] of quantitiesOf(spec?.resources?.[side])) sum.set(name, amount);
  addAll(sum, quantitiesOf(spec?.overhead));
  return sum;
}

/** The same of its containers alone. */
export function containerQuantities(spec: PodSpec | undefined, side: Side): Quantities {
  const of = (container: Container) => quantitiesOf(container.resources?.[side]);
  const peak: Quantities = new Map();
  const sidecars: Quantities = new Map();
  for (const container of spec?.initContainers ?? []) {
    const isSidecar = container.restartPolicy === 'Always';
    if (isSidecar) addAll(sidecars, of(container));
    const moment = new Map(sidecars);
    if (!isSidecar) addAll(moment, of(container));
    raiseAll(peak, moment);
  }
  const sum = new Map(sidecars);
  for (const container of spec?.containers ?? []) addAll(sum, of(container));
  raiseAll(sum, peak);
  return sum;
}

/** Adds in place. */
export function addAll(sum: Quantities, more: ReadonlyMap<string, Quantity>): void {
  for (const [name, amount] of more) {
    const before = sum.get(name);
    sum.set(name, before ? addQuantities(before, amount) : amount);
  }
}

function raiseAll(most: Quantities, other: ReadonlyMap<string, Quantity>): void {
  for (const [name, amount] of other) {
    const before = most.get(name);
    if (!before || compareQuantities(before, amount) < 0) most.set(name, amount);
  }
}
