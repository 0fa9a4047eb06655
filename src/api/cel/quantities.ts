import type { Environment } from '@marcbachmann/cel-js';
import {
  addQuantities as add,
  canonicalQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from '../quantity.ts';
import { addFunctions } from './environment.ts';

const billion = 1_000_000_000n;

/** A quantity in CEL. */
class CelQuantity {
  readonly quantity: Quantity;

  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }

  get nanos(): bigint {
    return this.quantity.nanos;
  }

  equals(other: unknown): boolean {
    return other instanceof CelQuantity && other.nanos === this.nanos;
  }
}

const whole = (value: bigint): Quantity => ({ nanos: value * billion, format: 'DecimalSI' });
const compare = (a: CelQuantity, b: CelQuantity): bigint => (a.nanos < b.nanos ? -1n : a.nanos > b.nanos ? 1n : 0n);

/** Kubernetes' library of quantities. */
export function addQuantities(env: Environment): void {
  env.registerType('kubernetes.Quantity', CelQuantity);
  env.registerOperator('kubernetes.Quantity == kubernetes.Quantity', (a: CelQuantity, b: CelQuantity) => a.equals(b));
  addFunctions(env, {
    'quantity(string): kubernetes.Quantity': (text: string) => new CelQuantity(parseQuantity(text)),
    'isQuantity(string): bool': (text: string) => canonicalQuantity(text) !== undefined,
    // The only one that is no method there.
    'sign(kubernetes.Quantity): int': ({ nanos }: CelQuantity) => (nanos > 0n ? 1n : nanos < 0n ? -1n : 0n),
    'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool': (a: CelQuantity, b: CelQuantity) =>
      a.nanos > b.nanos,
    'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool': (a: CelQuantity, b: CelQuantity) => a.nanos < b.nanos,
    'kubernetes.Quantity.compareTo(kubernetes.Quantity): int': compare,
    'kubernetes.Quantity.asApproximateFloat(): double': ({ nanos }: CelQuantity) => Number(nanos) / 1e9,
    'kubernetes.Quantity.asInteger(): int': ({ nanos }: CelQuantity) => {
      if (nanos % billion !== 0n) throw new Error('cannot convert value to integer');
      return nanos / billion;
    },
    'kubernetes.Quantity.isInteger(): bool': ({ nanos }: CelQuantity) => nanos % billion === 0n,
    'kubernetes.Quantity.add(kubernetes.Quantity): kubernetes.Quantity': (a: CelQuantity, b: CelQuantity) =>
      new CelQuantity(add(a.quantity, b.quantity)),
    'kubernetes.Quantity.add(int): kubernetes.Quantity': (a: CelQuantity, b: bigint) =>
      new CelQuantity(add(a.quantity, whole(b))),
    'kubernetes.Quantity.sub(kubernetes.Quantity): kubernetes.Quantity': (a: CelQuantity, b: CelQuantity) =>
      new CelQuantity(subtractQuantities(a.quantity, b.quantity)),
    'kubernetes.Quantity.sub(int): kubernetes.Quantity': (a: CelQuantity, b: bigint) =>
      new CelQuantity(subtractQuantities(a.quantity, whole(b))),
  });
}
