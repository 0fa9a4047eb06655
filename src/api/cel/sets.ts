import type { Environment } from '@marcbachmann/cel-js';
import { addLibrary } from './environment.ts';
import { celEquals } from './equality.ts';

const holds = (list: readonly unknown[], value: unknown) => list.some((each) => celEquals(each, value));
const holdsAll = (list: readonly unknown[], values: readonly unknown[]) => values.every((each) => holds(list, each));

/** `sets`, as cel-go's ext.Sets. */
export function addSets(env: Environment): void {
  addLibrary(env, 'sets', {
    'contains(list<T>, list<T>): bool': holdsAll,
    'equivalent(list<T>, list<T>): bool': (a: unknown[], b: unknown[]) => holdsAll(a, b) && holdsAll(b, a),
    'intersects(list<T>, list<T>): bool': (a: unknown[], b: unknown[]) => b.some((each) => holds(a, each)),
  });
}
