import type { Kind } from '../../api/kind.ts';
import type { KubeObject } from '../../api/types.ts';
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
  /** Where another program spells objects, they must be `ready`. */
  object(stored: CachedObject): CachedObject;
  event(stored: CacheEvent): CacheEvent;
  /** Asks whoever translates objects, once for each; `undefined` where nobody has to be asked. */
  ready(stored: readonly CachedObject[]): Promise<void> | undefined;
}

export function viewOf(cache: WatchCache, kind: Kind): View {
  const stored = kind.storedAs?.resource ?? kind;
  const resource = cache.resource(stored);
  const base = resourcePrefix(stored);
  const prefix = (namespace: string) => (namespace === '' ? base : `${base}${namespace}/`);
  const key = (namespace: string, name: string) => prefix(namespace) + name;
  if (!kind.storedAs) return { resource, prefix, key, object: (object) => object, event: (event) => event, ready };
  return {
    resource,
    prefix,
    key,
    object: (object) => (isShown(kind, object) ? object : spelled(kind, object)),
    event: (event) => (areShown(kind, event) ? event : spelledEvent(kind, event)),
    ready: kind.storedAs.convert ? (objects) => convertAll(kind, objects) : ready,
  };
}

const ready = () => undefined;

const apiVersionOf = ({ group, version }: Pick<Kind, 'group' | 'version'>) =>
  group === '' ? version : `${group}/${version}`;

function convertAll(kind: Kind, objects: readonly CachedObject[]): Promise<void> | undefined {
  const apiVersion = apiVersionOf(kind);
  const others = objects.filter(
    (object) => !isShown(kind, object) && !known(kind, object) && object.parse().apiVersion !== apiVersion,
  );
  if (others.length === 0 || !kind.storedAs?.convert) return undefined;
  const { convert } = kind.storedAs;
  return convert(
    others.map((object) => object.parse()),
    apiVersion,
  ).then((converted) => {
    for (const [index, object] of others.entries())
      memo(kind, object, () => spellingOf(kind, object, converted[index]));
  });
}

/** An object in another version of its kind. */
export async function translated(from: Kind, to: Kind, object: KubeObject): Promise<KubeObject> {
  const stored = await storedForm(from, from.storedAs ? object : structuredClone(object));
  if (!to.storedAs) return stored;
  const { convert, fromStored } = to.storedAs;
  const apiVersion = apiVersionOf(to);
  return fromStored(
    convert && stored.apiVersion !== apiVersion ? ((await convert([stored], apiVersion))[0] ?? stored) : stored,
  );
}

/** The form in which an object of a kind is kept. */
export async function storedForm(kind: Kind, object: KubeObject): Promise<KubeObject> {
  if (!kind.storedAs) return object;
  const { convert, resource, toStored } = kind.storedAs;
  const copy = structuredClone(object);
  const apiVersion = apiVersionOf(resource);
  if (!convert || copy.apiVersion === apiVersion) return toStored(copy);
  return toStored((await convert([copy], apiVersion))[0] ?? copy);
}

/** Whether clients get an object as it is stored. */
const isShown = ({ storedAs }: Kind, { bytes, revision }: CachedObject): boolean =>
  storedAs?.isShown?.(bytes, revision) === true;

const areShown = (kind: Kind, { object, previous }: CacheEvent): boolean =>
  isShown(kind, object) && (!previous || isShown(kind, previous));

/** Each object is spelled once for each kind, as long as it lives. */
const spellings = new WeakMap<Kind, WeakMap<object, CachedObject | CacheEvent>>();

function spelled(kind: Kind, object: CachedObject): CachedObject {
  return memo(kind, object, () => spellingOf(kind, object, object.parse()));
}

/** A stored object, or what its translator made of it, as clients of the kind get it. */
function spellingOf(kind: Kind, { key, revision }: CachedObject, stored: KubeObject = {}): CachedObject {
  const value = kind.storedAs?.fromStored(stored) ?? stored;
  return new CachedObject(key, revision, withRevision(encodeObject(value), revision), kind.fieldLabels);
}

function spelledEvent(kind: Kind, event: CacheEvent): CacheEvent {
  return memo(kind, event, () => {
    const shown = (object: CachedObject) => (isShown(kind, object) ? object : spelled(kind, object));
    return new Change(event.type, event.revision, shown(event.object), event.previous && shown(event.previous));
  });
}

const known = (kind: Kind, source: CachedObject): boolean => spellings.get(kind)?.has(source) === true;

function memo<T extends CachedObject | CacheEvent>(kind: Kind, source: T, make: () => T): T {
  let made = spellings.get(kind);
  if (!made) {
    made = new WeakMap();
    spellings.set(kind, made);
  }
  const present = made.get(source);
  if (present) return present as T;
  const value = make();
  made.set(source, value);
  return value;
}
