import type { Environment } from '@marcbachmann/cel-js';
import { CALL_LIMIT, CostExceeded } from './budget.ts';
import { addFunctions, addLibrary, type Handler } from './environment.ts';
import { celEquals } from './equality.ts';
import { toDuration } from './values.ts';

type Comparable = bigint | number | string | boolean | Date | Uint8Array;

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
    'list<A>.slice(int, int): list<A>': slice,
    'list<google.protobuf.Duration>.sum(): google.protobuf.Duration': (list: object[]) =>
      toDuration({ text: `${list.reduce((sum, each) => sum + Number(each), 0)}ms` }),
    'list<A>.reverse(): list<A>': (list: unknown[]) => list.toReversed(),
    'list<A>.distinct(): list<A>': (list: unknown[]) =>
      list.filter((each, index) => list.findIndex((other) => celEquals(each, other)) === index),
    'list<list<A>>.flatten(): list<A>': (list: unknown[][]) => list.flat(),
    'list.flatten(int): list<dyn>': flatten,
  });
  for (const [operator, holds] of Object.entries(comparisons)) {
    env.registerOperator(`bytes ${operator} bytes`, (a: Uint8Array, b: Uint8Array) => holds(compare(a, b)));
  }
  addLibrary(env, 'lists', { 'range(int): list<int>': range });
}

function slice(list: unknown[], from: bigint, to: bigint): unknown[] {
  const refuse = (why: string) => new Error(`cannot slice(${from}, ${to}), ${why}`);
  if (from < 0n || to < 0n) throw refuse('negative indexes not supported');
  if (from > to) throw refuse('start index must be less than or equal to end index');
  if (to > list.length) throw refuse(`list is length ${list.length}`);
  return list.slice(Number(from), Number(to));
}

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function flatten(list: unknown[], depth: bigint): unknown[] {
  if (depth < 0n) throw new Error('level must be non-negative');
  return list.flat(Number(depth));
}

function range(count: bigint): bigint[] {
  if (count > CALL_LIMIT) throw new CostExceeded();
  return Array.from({ length: Math.max(0, Number(count)) }, (_, index) => BigInt(index));
}

function ordered(type: string): Record<string, Handler> {
  const choose = (list: Comparable[], better: (a: Comparable, b: Comparable) => boolean) => {
    const [first, ...rest] = list;
    if (first === undefined) throw new Error('min or max called on empty list');
    return rest.reduce((best, each) => (better(each, best) ? each : best), first);
  };
  return {
    [`list<${type}>.isSorted(): bool`]: (list: Comparable[]) =>
      list.every((each, index) => index === 0 || compare(list[index - 1] as Comparable, each) <= 0),
    [`list<${type}>.min(): ${type}`]: (list: Comparable[]) => choose(list, (a, b) => compare(a, b) < 0),
    [`list<${type}>.max(): ${type}`]: (list: Comparable[]) => choose(list, (a, b) => compare(a, b) > 0),
    [`list<${type}>.sort(): list<${type}>`]: (list: Comparable[]) => list.toSorted(compare),
  };
}

/** Below zero: `a` comes before `b`. */
export function compare(a: unknown, b: unknown): number {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  const [left, right] = [a as Comparable, b as Comparable];
  return left < right ? -1 : Number(right < left);
}
