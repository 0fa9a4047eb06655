import type { Kind } from '../../api/kind.ts';
import { type CacheEvent, CacheEvent as Change } from '../cache/event.ts';
import { CachedObject, encodeObject, withRevision } from '../cache/object.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { resourcePrefix, type WatchCache } from '../cache/watch-cache.ts';

/** The objects of a kind as its clients see them: those of the cache, or another spelling of them. */
export interface View {
  readonly resource: ResourceCache;
  /** Start of the keys of a namespace (`''`: of all). */
  prefix(namespace: string): string;
  key(namespace: string, name: string): string;
  object(stored: CachedObject): CachedObject;
  event(stored: CacheEvent): CacheEvent;
}

export function viewOf(cache: WatchCache, kind: Kind): View {
  const stored = kind.storedAs?.resource ?? kind;
  const resource = cache.resource(stored);
  const base = resourcePrefix(stored);
  const prefix = (namespace: string) => (namespace === '' ? base : `${base}${namespace}/`);
  const key = (namespace: string, name: string) => prefix(namespace) + name;
  if (!kind.storedAs) return { resource, prefix, key, object: (object) => object, event: (event) => event };
  return {
    resource,
    prefix,
    key,
    object: (object) => (isShown(kind, object) ? object : spelled(kind, object)),
    event: (event) => (areShown(kind, event) ? event : spelledEvent(kind, event)),
  };
}

/** Whether clients get an object as it is stored. */
const isShown = ({ storedAs }: Kind, { bytes, revision }: CachedObject): boolean =>
  storedAs?.isShown?.(bytes, revision) === true;

const areShown = (kind: Kind, { object, previous }: CacheEvent): boolean =>
  isShown(kind, object) && (!previous || isShown(kind, previous));

/** Each object is spelled once for each kind, as long as it lives. */
const spellings = new WeakMap<Kind, WeakMap<object, CachedObject | CacheEvent>>();

function spelled(kind: Kind, object: CachedObject): CachedObject {
  return memo(kind, object, () => {
    const value = kind.storedAs?.fromStored(object.parse()) ?? object.parse();
    return new CachedObject(
      object.key,
      object.revision,
      withRevision(encodeObject(value), object.revision),
      kind.fieldLabels,
    );
  });
}

function spelledEvent(kind: Kind, event: CacheEvent): CacheEvent {
  return memo(kind, event, () => {
    const shown = (object: CachedObject) => (isShown(kind, object) ? object : spelled(kind, object));
    return new Change(event.type, event.revision, shown(event.object), event.previous && shown(event.previous));
  });
}

function memo<T extends CachedObject | CacheEvent>(kind: Kind, source: T, make: () => T): T {
  let made = spellings.get(kind);
  if (!made) {
    made = new WeakMap();
    spellings.set(kind, made);
  }
  const known = made.get(source);
  if (known) return known as T;
  const value = make();
  made.set(source, value);
  return value;
}
