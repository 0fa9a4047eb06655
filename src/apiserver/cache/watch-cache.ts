import type { Kind } from '../../api/kind.ts';
import type { Resource } from '../../api/resource.ts';
import type { Store, StoreEvent } from '../../store/store.ts';
import { type FieldReaders, withRevision } from './object.ts';
import { ResourceCache } from './resource-cache.ts';

export const REGISTRY = '/registry/';
/** Entries that one read of the store brings at the start. */
const PAGE = 5000;

type Named = Pick<Resource, 'group' | 'plural'>;

/** `/registry/core/pods/`. */
export function resourcePrefix(resource: Named): string {
  return `${REGISTRY}${resource.group || 'core'}/${resource.plural}/`;
}

/** `/registry/core/pods/default/web`, `/registry/core/nodes/node-1`. */
export function objectKey(resource: Named, namespace: string, name: string): string {
  return resourcePrefix(resource) + (namespace === '' ? name : `${namespace}/${name}`);
}

/** All objects of the store as clients see them, kept up to date by one watch of the store. */
export class WatchCache {
  /** Everything up to this revision is in the cache. */
  revision = 0;
  readonly #store: Store;
  readonly #readers = new Map<string, FieldReaders>();
  readonly #resources = new Map<string, ResourceCache>();
  /** The same by group and plural: several are looked up for each request. */
  readonly #byName = new Map<string, Map<string, ResourceCache>>();
  #unwatch: () => void = () => undefined;
  /** Revision at some moments of the past, for forgetting by age. */
  #marks: { at: number; revision: number }[] = [];

  constructor(store: Store, kinds: readonly Kind[]) {
    this.#store = store;
    for (const kind of kinds) if (!kind.storedAs) this.#readers.set(resourcePrefix(kind), kind.fieldLabels);
  }

  async start(): Promise<void> {
    const revision = this.#store.revision;
    this.revision = revision;
    for (let after: string | undefined, more = true; more; ) {
      const page = await this.#store.list(REGISTRY, { revision, after, limit: PAGE });
      for (const { key, value, modRevision } of page.entries) {
        this.#ofKey(key).load(key, modRevision, withRevision(value, modRevision));
      }
      after = page.entries.at(-1)?.key;
      more = page.more;
    }
    this.#unwatch = this.#store.watch(REGISTRY, revision, (events) => this.#take(events));
  }

  stop(): void {
    this.#unwatch();
  }

  /** What selectors may ask of a resource's objects from now on. */
  setReaders(resource: Named, readers: FieldReaders): void {
    const prefix = resourcePrefix(resource);
    this.#readers.set(prefix, readers);
    this.#resources.get(prefix)?.setReaders(readers);
  }

  resource(resource: Named): ResourceCache {
    const known = this.#byName.get(resource.group)?.get(resource.plural);
    if (known) return known;
    const found = this.#byPrefix(resourcePrefix(resource));
    const group = this.#byName.get(resource.group) ?? new Map<string, ResourceCache>();
    this.#byName.set(resource.group, group.set(resource.plural, found));
    return found;
  }

  get resources(): ReadonlyMap<string, ResourceCache> {
    return this.#resources;
  }

  /** Forgets changes that are older than `ageMs`, in the store and here. */
  async compact(ageMs: number, now = Date.now()): Promise<void> {
    const old = this.#marks.findLast((mark) => mark.at <= now - ageMs);
    this.#marks = this.#marks.filter((mark) => mark.at > now - ageMs);
    if (old) this.#marks.unshift(old);
    this.#marks.push({ at: now, revision: this.revision });
    if (!old) return;
    for (const resource of this.#resources.values()) resource.forget(old.revision);
    await this.#store.compact(old.revision);
  }

  #take(events: readonly StoreEvent[]): void {
    // All of a commit is visible at once: nobody reads between two events of a batch.
    for (const event of events) {
      if (event.type === 'put') {
        const { key, value, modRevision } = event.entry;
        this.revision = modRevision;
        this.#ofKey(key).put(key, modRevision, withRevision(value, modRevision));
      } else {
        this.revision = event.revision;
        const last = withRevision(event.previous.value, event.revision);
        this.#ofKey(event.key).delete(event.key, event.revision, last);
      }
    }
  }

  #ofKey(key: string): ResourceCache {
    const groupEnd = key.indexOf('/', REGISTRY.length);
    return this.#byPrefix(key.slice(0, key.indexOf('/', groupEnd + 1) + 1));
  }

  #byPrefix(prefix: string): ResourceCache {
    let resource = this.#resources.get(prefix);
    if (!resource) {
      resource = new ResourceCache(prefix, this.#readers.get(prefix) ?? {}, this.revision);
      this.#resources.set(prefix, resource);
    }
    return resource;
  }
}
