import type { Environment } from '@marcbachmann/cel-js';
import { CALL_LIMIT, CostExceeded } from './budget.ts';
import { addFunctions, addLibrary, type Handler } from './environment.ts';
import { celEquals } from './equality.ts';

type Comparable = bigint | number | string | Date;

const zeros: Readonly<Record<string, bigint | number>> = { int: 0n, double: 0 };

/** Functions of lists: Kubernetes' own library, and cel-go's ext.Lists. */
export function addLists(env: Environment): void {
  for (const type of [
    'int',
    'double',
    'string',
    'google.protobuf.Timestamp',
    'google.protobuf.Duration',
    'bool',
    'bytes',
  ]) {
    addFunctions(env, ordered(type));
  }
  for (const [type, zero] of Object.entries(zeros)) {
    env.registerFunction(`list<${type}>.sum(): ${type}`, (list: number[]) =>
      list.reduce((sum, each) => sum + each, zero as number),
    );
  }
  addFunctions(env, {
    'list<A>.indexOf(A): int': (list: unknown[], value: unknown) =>
      BigInt(list.findIndex((each) => celEquals(each, value))),
    'list<A>.lastIndexOf(A): int': (list: unknown[], value: unknown) =>
      BigInt(list.findLastIndex((each) => celEquals(each, value))),
    'list<A>.slice(int, int): list<A>': (list: unknown[], from: bigint, to: bigint) =>
      list.slice(Number(from), Number(to)),
    'list<A>.reverse(): list<A>': (list: unknown[]) => list.toReversed(),
    'list<A>.distinct(): list<A>': (list: unknown[]) =>
      list.filter((each, index) => list.findIndex((other) => celEquals(each, other)) === index),
    'list<list<A>>.flatten(): list<A>': (list: unknown[][]) => list.flat(),
    'list.flatten(int): list<dyn>': flatten,
  });
  addLibrary(env, 'lists', { 'range(int): list<int>': range });
}

function flatten(list: unknown[], depth: bigint): unknown[] {
  if (depth < 0n) throw new Error('level must be non-negative');
  return list.flat(Number(depth));
}

function range(count: bigint): bigint[] {
  if (count > CALL_LIMIT) throw new CostExceeded();
  return Array.from({ length: Math.max(0, Number(count)) }, (_, index) => BigInt(index));
}

function ordered(type: string): Record<string, Handler> {
  const before = (a: Comparable, b: Comparable) => a < b;
  const choose = (list: Comparable[], better: (a: Comparable, b: Comparable) => boolean) => {
    const [first, ...rest] = list;
    if (first === undefined) throw new Error('min or max called on empty list');
    return rest.reduce((best, each) => (better(each, best) ? each : best), first);
  };
  const functions: Record<string, Handler> = {
    [`list<${type}>.isSorted(): bool`]: (list: Comparable[]) =>
      list.every((each, index) => index === 0 || !before(each, list[index - 1] as Comparable)),
    [`list<${type}>.min(): ${type}`]: (list: Comparable[]) => choose(list, before),
    [`list<${type}>.max(): ${type}`]: (list: Comparable[]) => choose(list, (a, b) => before(b, a)),
    [`list<${type}>.sort(): list<${type}>`]: (list: Comparable[]) =>
      list.toSorted((a, b) => (before(a, b) ? -1 : before(b, a) ? 1 : 0)),
  };
  return functions;
}
