import type { KubeObject } from '../api/types.ts';
import type { Key } from './informer.ts';

export function keyOf(object: KubeObject): Key {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace ? `${namespace}/${name}` : name;
}

/** The two parts of a key; `namespace` is undefined for what has none. */
export function splitKey(key: Key): { readonly namespace: string | undefined; readonly name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

type IndexFunction<T> = (object: T) => readonly string[];

interface Index<T> {
  readonly valuesOf: IndexFunction<T>;
  /** Most values have one object: those have no map. */
  readonly entries: Map<string, T | Map<Key, T>>;
}

/** Objects by key and by the values of indexes, which change with each object and are never made anew. */
export class Cache<T extends KubeObject> {
  readonly #objects = new Map<Key, T>();
  readonly #indexes = new Map<string, Index<T>>();

  get(key: Key): T | undefined {
    return this.#objects.get(key);
  }

  keys(): Iterable<Key> {
    return this.#objects.keys();
  }

  values(): T[] {
    return [...this.#objects.values()];
  }

  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`no index is named ${name}`);
    const entry = index.entries.get(value);
    if (entry === undefined) return [];
    return entry instanceof Map ? [...entry.values()] : [entry];
  }

  /** Does nothing where an index of this name is there. */
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    if (this.#indexes.has(name)) return;
    const index: Index<T> = { valuesOf, entries: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) insert(index, key, object);
  }

  /** Puts `object` in (or takes the key out) and returns what was there. */
  set(key: Key, object: T | undefined): T | undefined {
    const old = this.#objects.get(key);
    for (const index of this.#indexes.values()) {
      if (old) remove(index, key, old);
      if (object) insert(index, key, object);
    }
    if (object) this.#objects.set(key, object);
    else this.#objects.delete(key);
    return old;
  }
}

function insert<T extends KubeObject>(index: Index<T>, key: Key, object: T): void {
  for (const value of index.valuesOf(object)) {
    const entry = index.entries.get(value);
    if (entry === undefined) index.entries.set(value, object);
    else if (entry instanceof Map) entry.set(key, object);
    else index.entries.set(value, new Map([[keyOf(entry), entry]]).set(key, object));
  }
}

function remove<T extends KubeObject>(index: Index<T>, key: Key, object: T): void {
  for (const value of index.valuesOf(object)) {
    const entry = index.entries.get(value);
    if (entry instanceof Map) entry.delete(key);
    if (entry instanceof Map ? entry.size === 0 : entry && keyOf(entry) === key) index.entries.delete(value);
  }
}
