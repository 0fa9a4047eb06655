import {
  costOfCall,
  reading,
  type Size,
  type SizedNode,
  sizeOf,
  sum,
  times,
  union,
  unknownSize,
} from './function-costs.ts';
import type { Node } from './macro.ts';
import { usualName } from './own-functions.ts';
import type { SizedType } from './sizes.ts';

/** A part of an expression that was checked. */
interface Checked extends Node {
  readonly checkedType?: { toString(): string; readonly kind: string };
}

/** Of the items of a list, or the entries of a map, that an expression makes. */
interface Entries {
  readonly isList: boolean;
  readonly key: Size;
  readonly value: Size;
}

/** What is known of a part of an expression. */
interface Estimate {
  /** Of it and of all that it is made of. */
  readonly cost: number;
  readonly size?: Size;
  readonly entries?: Entries;
  /** Where it stands in the object; null where that is unknown, undefined for what is computed. */
  readonly place?: SizedType | null;
}

type Local = Omit<Estimate, 'cost'>;

const NEW_LIST = 10;
const NEW_MAP = 30;
const NEW_OBJECT = 40;

/**
 * What an expression costs at the most, as Kubernetes estimates it before it stores a rule: in the units of cel-go
 * (checker.Cost), with macros taken for the loops that they stand for there. No bound is infinite.
 *
 * @param self Of `self` and `oldSelf`
 */
export function costOf(expression: Node, self: SizedType): number {
  return new Estimator(self).estimate(expression).cost;
}

class Estimator {
  readonly #self: SizedType;
  readonly #locals = new Map<string, Local>();

  constructor(self: SizedType) {
    this.#self = self;
  }

  estimate(node: Checked): Estimate {
    const found = this.#estimate(node);
    if (found.size) return found;
    return { ...found, size: found.place ? { min: 0, max: found.place.most } : sizeOfType(node) };
  }

  #estimate(node: Checked): Estimate {
    switch (node.op) {
      case 'value':
        return { cost: 0, size: sizeOf(lengthOf(node.args)) };
      case 'id': {
        const local = this.#locals.get(node.args as string);
        return local
          ? { ...local, size: local.place ? undefined : (sizeOfType(node) ?? local.size), cost: 1 }
          : { cost: 1, place: this.#self };
      }
      case '.':
        // Names of types are one word: `google.protobuf.Timestamp`.
        if (beginOf(node) === 'google') return { cost: 1, place: this.#self };
        return this.#selection(node.args as [Checked, string]);
      case '.?':
        return { cost: this.estimate((node.args as [Checked])[0]).cost + 1 };
      case '[]': {
        const [container, index] = this.#all(node.args as Checked[]);
        return {
          cost: costs([container!, index!]) + 1,
          size: container?.entries?.value,
          // What is found in no place is taken for `self`, as there.
          place: container?.place === undefined ? this.#self : within(container.place, 'values'),
        };
      }
      case 'list':
        return this.#list(node.args as Checked[]);
      case 'map':
        return this.#map(node);
      case '?:': {
        const [condition, yes, no] = this.#all(node.args as Checked[]) as [Estimate, Estimate, Estimate];
        const cost = condition.cost + Math.max(yes.cost, no.cost);
        return { cost, size: union(known(yes), known(no)), entries: unionOf(yes.entries, no.entries) };
      }
      case '&&':
      case '||':
        return { cost: costs(this.#all(node.args as Checked[])) };
      case 'call': {
        const [name, args] = node.args as [string, Checked[]];
        return this.#call(name, undefined, args);
      }
      case 'rcall': {
        const [name, target, args] = node.args as [string, Checked, Checked[]];
        return this.#method(name, target, args);
      }
      case '-_':
        return isNumber(node.args as Checked) ? { cost: 0, size: sizeOf(1) } : this.#operator(node);
      default:
        return this.#operator(node);
    }
  }

  #all(nodes: readonly Checked[]): Estimate[] {
    return nodes.map((node) => this.estimate(node));
  }

  #selection([target, name]: [Checked, string]): Estimate {
    const { cost, place } = this.estimate(target);
    const isField = target.checkedType?.kind === 'map' || target.checkedType?.kind === 'message';
    return { cost: cost + (isField ? 1 : 0), place: place && (place.fields?.get(name) ?? null) };
  }

  #list(items: readonly Checked[]): Estimate {
    const estimates = this.#all(items);
    const entries = { isList: true, key: sizeOf(1), value: boundsOf(estimates) };
    return { cost: costs(estimates) + NEW_LIST, size: sizeOf(items.length), entries };
  }

  #map(node: Checked): Estimate {
    const pairs = node.args as (readonly [Checked, Checked])[];
    const keys = pairs.map(([key]) => this.estimate(key));
    const values = pairs.map(([, value]) => this.estimate(value));
    const base = node.checkedType?.kind === 'message' ? NEW_OBJECT : NEW_MAP;
    const entries = { isList: false, key: boundsOf(keys), value: boundsOf(values) };
    return { cost: costs(keys) + costs(values) + base, size: sizeOf(pairs.length), entries };
  }

  #operator(node: Checked): Estimate {
    const nodes = [node.args].flat() as Checked[];
    const estimates = this.#all(nodes);
    const [left, right] = estimates as [Estimate, Estimate];
    const own = (cost: number, rest: Partial<Estimate> = {}) => ({ ...rest, cost: costs(estimates) + cost });
    const types = nodes.map(({ checkedType }) => String(checkedType));
    switch (node.op) {
      case '==':
      case '!=':
        return own(node.op === '==' ? costOfEquality(types, left, right) : comparing(left, right));
      case '<':
      case '<=':
      case '>':
      case '>=':
        return own(
          types.some(isText) ? comparing(left, right) : types.includes('dyn') ? Math.max(1, comparing(left, right)) : 1,
        );
      case '+': {
        const size = sum(known(left), known(right));
        if (types.some(isText)) return own(reading(size), { size });
        if (types.some(isList)) return own(1, { size, entries: unionOf(left.entries, right.entries) });
        return types.includes('dyn') ? own(Math.max(1, reading(size)), { size }) : own(1);
      }
      case 'in':
        return own(types[1]?.startsWith('map') ? 1 : known(right).max);
      default:
        return own(1);
    }
  }

  #method(name: string, target: Checked, args: readonly Checked[]): Estimate {
    if (this.#isLibrary(target)) return this.#call(`${target.args}.${name}`, undefined, args);
    return this.#macro(name, target, args) ?? this.#call(name, target, args);
  }

  /** Libraries (`sets`) are no values: their names are a part of their functions' names. */
  #isLibrary({ op, args, checkedType }: Checked): boolean {
    return (
      op === 'id' &&
      !this.#locals.has(args as string) &&
      (!checkedType || /(Library|Namespace)$/.test(String(checkedType)))
    );
  }

  #call(name: string, target: Checked | undefined, args: readonly Checked[]): Estimate {
    // `has` costs what it is asked about, and nothing for itself.
    if (name === 'HAS') return { cost: this.estimate((args[0] as { args: [Checked] } & Checked).args[0]).cost };
    const estimates = this.#all(args);
    if (name === 'dyn' && estimates[0]) return { ...estimates[0], place: undefined, cost: estimates[0].cost + 1 };
    const on = target && this.estimate(target);
    const sized = (node: Checked, estimate: Estimate): SizedNode => ({
      size: known(estimate),
      type: String(node.checkedType),
      number: node.op === 'value' && typeof node.args === 'bigint' ? Number(node.args) : undefined,
    });
    const { cost, size } = costOfCall({
      name: usualName(name),
      target: target && on && { ...sized(target, on), items: itemsOf(on) },
      args: args.map((node, index) => sized(node, estimates[index]!)),
    });
    return { cost: costs(estimates) + (on?.cost ?? 0) + cost, size };
  }

  /** `undefined` for what is none. */
  #macro(name: string, target: Checked, args: readonly Checked[]): Estimate | undefined {
    if (name === 'optMap' || name === 'optFlatMap') return this.#optional(name, target, args as [Checked, Checked]);
    if (name === 'sortBy') return this.#sorted(target, args);
    const loop = loops[name];
    const variables = args.filter(({ checkedType }, index) => !checkedType && index < 2);
    if (!loop || variables.length === 0) return undefined;
    const range = this.estimate(target);
    const isList = range.entries?.isList ?? target.checkedType?.kind === 'list';
    return this.#looped(name, loop, variables, range, isList, args.slice(variables.length));
  }

  #looped(
    name: string,
    loop: Loop,
    variables: readonly Checked[],
    range: Estimate,
    isList: boolean,
    expressions: readonly Checked[],
  ): Estimate {
    // To filter is to gather the variable itself.
    const body = [...expressions, ...(name === 'filter' ? variables : [])];
    const parts = this.#inLoop(variables, range, isList, () => this.#all(body));
    const result = parts.at(-1)!;
    const cost = loop.round(parts.length > 1 ? parts[0]?.cost : undefined, result.cost);
    const entries = { isList: true, key: sizeOf(1), value: { ...known(result), min: 0 } };
    return {
      cost: range.cost + loop.around + times(known(range).max, cost),
      size: loop.gathers ? known(range) : sizeOf(1),
      entries: loop.gathers === 'list' ? entries : undefined,
    };
  }

  /** The list is bound to a name, its keys are gathered, and it is ordered by them. */
  #sorted(target: Checked, [variable, key]: readonly Checked[]): Estimate {
    const list = this.estimate(target);
    const keys = this.#looped('map', listing, [variable!], { ...list, cost: 1 }, true, [key!]);
    const type = `list<${key?.checkedType}>`;
    const { cost, size } = costOfCall({
      name: 'sort',
      target: { size: known(keys), type, items: unknownSize },
      args: [],
    });
    return { cost: NEW_LIST + list.cost + keys.cost + 1 + cost, size };
  }

  #optional(name: string, target: Checked, [variable, body]: readonly [Checked, Checked]): Estimate {
    const { cost } = this.estimate(target);
    const inner = this.#with(variable.args as string, {}, () => this.estimate(body));
    // Asked whether it has a value, then for the value, which is bound to the variable.
    const made = NEW_LIST + cost + 1 + inner.cost + (name === 'optMap' ? 1 : 0);
    return { cost: cost + 1 + made };
  }

  /** cel-go takes a variable that goes over what is computed for one that stands where `self` does. */
  #inLoop<T>(variables: readonly Checked[], range: Estimate, isList: boolean, work: () => T): T {
    const [first, second] = variables.map(({ args }) => args as string);
    const inside = (part: 'keys' | 'values') => (range.place === undefined ? this.#self : within(range.place, part));
    const key = { size: range.entries?.key, place: isList ? null : inside('keys') };
    const value = { size: range.entries?.value, place: inside('values') };
    if (second === undefined) return this.#with(first!, isList ? value : key, work);
    return this.#with(first!, key, () => this.#with(second, value, work));
  }

  #with<T>(name: string, local: Local, work: () => T): T {
    const outer = this.#locals.get(name);
    this.#locals.set(name, local);
    try {
      return work();
    } finally {
      if (outer) this.#locals.set(name, outer);
      else this.#locals.delete(name);
    }
  }
}

/** What a macro is in cel-go: costs around its loop, and of each round of it. */
interface Loop {
  readonly around: number;
  readonly gathers?: 'list' | 'map';
  round(filter: number | undefined, result: number): number;
}

const gathering = (gathers: 'list' | 'map', start: number, step: (result: number) => number): Loop => ({
  gathers,
  around: start + 1,
  round: (filter, result) => (filter === undefined ? step(result) : filter + Math.max(step(result), 1)),
});
const listing = gathering('list', NEW_LIST, (result) => 2 + NEW_LIST + result);
const inserting = gathering('map', NEW_MAP, (result) => 3 + result);
const one: Loop = { around: 2, round: (_, predicate) => predicate + 2 };

const loops: Readonly<Record<string, Loop>> = {
  all: { around: 1, round: (_, predicate) => 3 + predicate },
  exists: { around: 1, round: (_, predicate) => 4 + predicate },
  exists_one: one,
  existsOne: one,
  map: listing,
  filter: listing,
  transformList: listing,
  transformMap: inserting,
  transformMapEntry: gathering('map', NEW_MAP, (result) => 2 + result),
};

const within = (place: SizedType | null | undefined, part: 'keys' | 'values') => place && (place[part] ?? null);
const known = ({ size }: Estimate): Size => size ?? unknownSize;
const costs = (estimates: readonly Estimate[]): number => estimates.reduce((total, { cost }) => total + cost, 0);
/** The name with which a chain of fields begins. */
function beginOf({ op, args }: Node): unknown {
  if (op === '.') return beginOf((args as [Node])[0]);
  return op === 'id' ? args : undefined;
}

const isNumber = ({ op, args }: Checked): boolean => op === 'value' && ['bigint', 'number'].includes(typeof args);
const isText = (type: string): boolean => type === 'string' || type === 'bytes';
const isList = (type: string): boolean => type.startsWith('list');

function boundsOf(estimates: readonly Estimate[]): Size {
  return estimates.length === 0 ? sizeOf(0) : estimates.map(known).reduce(union);
}

function unionOf(a: Entries | undefined, b: Entries | undefined): Entries | undefined {
  return a && b && { isList: a.isList, key: union(a.key, b.key), value: union(a.value, b.value) };
}

/** Items of a list that stands in the object; of others nothing is known here. */
function itemsOf({ place }: Estimate): Size {
  return place?.values ? { min: 0, max: place.values.most } : unknownSize;
}

function comparing(left: Estimate, right: Estimate): number {
  return reading(sizeOf(Math.min(known(left).max, known(right).max)));
}

/** Kubernetes' own types are compared at once; a named format has 64 characters, a URL those of its text. */
function costOfEquality([type = '', other]: readonly string[], left: Estimate, right: Estimate): number {
  if (type !== other) return comparing(left, right);
  if (/^(net\.IP|net\.CIDR|kubernetes\.(Quantity|Semver))$/.test(type)) return 1;
  if (type === 'kubernetes.NamedFormat') return reading(sizeOf(64));
  if (type === 'kubernetes.URL') return reading(right.size ?? sizeOf(1));
  return comparing(left, right);
}

const scalar = /^(optional<)?(bool|int|uint|double|google\.protobuf\.(Timestamp|Duration))>?$/;

function sizeOfType({ checkedType }: Checked): Size | undefined {
  return scalar.test(String(checkedType)) ? sizeOf(1) : undefined;
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return [...value].length;
  return value instanceof Uint8Array ? value.length : 1;
}
