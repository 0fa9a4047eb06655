import { firstIndex } from '../../base/sorted.ts';
import { CacheEvent } from './event.ts';
import { CachedObject, type FieldReaders } from './object.ts';

/** Changes that are kept for watches which start in the past; who is further behind lists again. */
const KEPT_EVENTS = 10_000;

/** The present objects of one resource in key order, and their latest changes. */
export class ResourceCache {
  /** Keys of this resource start with it: `/registry/apps/deployments/`. */
  readonly prefix: string;
  /** Revision of the newest change of this resource. */
  changed = 0;
  #readers: FieldReaders;
  readonly #objects = new Map<string, CachedObject>();
  /** In key order, but for `#added`; `undefined` while it must be made anew. */
  #sorted: CachedObject[] | undefined = [];
  /** What came since somebody asked for all: many may come before the next does. */
  readonly #added = new Map<string, CachedObject>();
  #events: CacheEvent[] = [];
  /** Changes after this revision are all in `#events`. */
  #oldest: number;
  readonly #listeners = new Set<(event: CacheEvent) => void>();

  constructor(prefix: string, readers: FieldReaders, revision: number) {
    this.prefix = prefix;
    this.#readers = readers;
    this.#oldest = revision;
  }

  /** Reads other facts from now on: what was read of the present objects is forgotten. */
  setReaders(readers: FieldReaders): void {
    this.#readers = readers;
    for (const { key, revision, bytes } of [...this.#objects.values()]) this.load(key, revision, bytes);
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  /** Objects whose key starts with `prefix`, in key order. The array is shared: don't change it. */
  list(prefix = this.prefix): readonly CachedObject[] {
    const sorted = this.#inOrder();
    if (prefix === this.prefix) return sorted;
    const from = lowerBound(sorted, prefix);
    const to = lowerBound(sorted, `${prefix}\u{10ffff}`);
    return sorted.slice(from, to);
  }

  #inOrder(): CachedObject[] {
    if (!this.#sorted) this.#sorted = [...this.#objects.values()].sort(byKey);
    else if (this.#added.size === 1) {
      for (const [key, object] of this.#added) this.#sorted.splice(lowerBound(this.#sorted, key), 0, object);
    } else if (this.#added.size > 1) this.#sorted = merged(this.#sorted, [...this.#added.values()].sort(byKey));
    this.#added.clear();
    return this.#sorted;
  }

  /** Calls `listener` with every change from now on. */
  subscribe(listener: (event: CacheEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Changes after a revision; `undefined` where they are no longer all known. */
  eventsAfter(revision: number): readonly CacheEvent[] | undefined {
    if (revision < this.#oldest) return undefined;
    const from = this.#events.findLastIndex((event) => event.revision <= revision) + 1;
    return this.#events.slice(from);
  }

  /** Takes in what was there at the start. */
  load(key: string, revision: number, bytes: Buffer): void {
    this.#objects.set(key, new CachedObject(key, revision, bytes, this.#readers));
    this.#sorted = undefined;
    this.changed = Math.max(this.changed, revision);
  }

  put(key: string, revision: number, bytes: Buffer): void {
    const previous = this.#objects.get(key);
    const object = new CachedObject(key, revision, bytes, this.#readers);
    this.#objects.set(key, object);
    if (!previous || this.#added.has(key)) this.#added.set(key, object);
    else if (this.#sorted) this.#sorted[lowerBound(this.#sorted, key)] = object;
    this.#emit(new CacheEvent(previous ? 'MODIFIED' : 'ADDED', revision, object, previous));
  }

  delete(key: string, revision: number, bytes: Buffer): void {
    const previous = this.#objects.get(key);
    if (!previous) return;
    this.#objects.delete(key);
    if (!this.#added.delete(key)) this.#sorted?.splice(lowerBound(this.#sorted, key), 1);
    const object = new CachedObject(key, revision, bytes, this.#readers);
    this.#emit(new CacheEvent('DELETED', revision, object, previous));
  }

  /** Forgets changes up to a revision. */
  forget(revision: number): void {
    const kept = this.#events.findIndex((event) => event.revision > revision);
    this.#events = kept < 0 ? [] : this.#events.slice(kept);
    this.#oldest = Math.max(this.#oldest, revision);
  }

  #emit(event: CacheEvent): void {
    this.changed = event.revision;
    this.#events.push(event);
    if (this.#events.length > KEPT_EVENTS * 1.5) {
      this.forget(this.#events[this.#events.length - KEPT_EVENTS - 1]?.revision ?? 0);
    }
    for (const listener of [...this.#listeners]) listener(event);
  }
}

const byKey = (a: CachedObject, b: CachedObject): number => (a.key < b.key ? -1 : 1);

/** Two ordered lists as one. */
function merged(a: readonly CachedObject[], b: readonly CachedObject[]): CachedObject[] {
  const all: CachedObject[] = [];
  let next = 0;
  for (const object of a) {
    for (let other = b[next]; other && other.key < object.key; other = b[++next]) all.push(other);
    all.push(object);
  }
  for (; next < b.length; next++) all.push(b[next] as CachedObject);
  return all;
}

/** Index of the first object whose key is not less than `key`. */
function lowerBound(sorted: readonly CachedObject[], key: string): number {
  return firstIndex(sorted, (object) => object.key >= key);
}
