import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Cache, keyOf } from './cache.ts';
import type { Client, SelectorOptions } from './client.ts';
import type { Informer, InformerFactory, InformerOptions, Key } from './informer.ts';
import { createReachability } from './reachable.ts';
import { type ReflectorOptions, reflect } from './reflector.ts';

/** Made on first use: not everybody lists by namespace. */
const NAMESPACE_INDEX = ' namespace';

/** Informers over one client; each is one list and one watch, whoever shares it. */
export function createInformers(client: Client, log: Log): InformerFactory {
  const abort = new AbortController();
  const reachable = createReachability(client, abort.signal);
  const made = new Map<string, SharedInformer<KubeObject>>();
  const running: Promise<void>[] = [];
  const stopped = Promise.withResolvers<void>();

  return {
    client,
    informer<T extends KubeObject>(resource: Resource<T>, options: InformerOptions<T> = {}): Informer<T> {
      const { namespace = '', labelSelector = '', fieldSelector = '' } = options;
      const id = [resource.group, resource.version, resource.plural, namespace, labelSelector, fieldSelector].join(' ');
      // What is stored under a resource's name was made with that resource's type.
      const known = made.get(id) as unknown as SharedInformer<T> | undefined;
      const informer =
        known ?? new SharedInformer(resource, { namespace, labelSelector, fieldSelector }, options.transform, log);
      if (!known) made.set(id, informer as unknown as SharedInformer<KubeObject>);
      for (const [name, valuesOf] of Object.entries(options.indexes ?? {})) informer.cache.addIndex(name, valuesOf);
      return informer;
    },
    async start() {
      for (const informer of made.values()) {
        if (informer.started) continue;
        running.push(informer.run({ client, reachable, signal: abort.signal }));
      }
      await Promise.race([stopped.promise, Promise.all([...made.values()].map((informer) => informer.synced))]);
      abort.signal.throwIfAborted();
    },
    async stop() {
      abort.abort(new KnitError('STOPPED', 'the informers were stopped'));
      stopped.resolve();
      await Promise.all(running);
    },
  };
}

class SharedInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource<T>;
  readonly synced: Promise<void>;
  readonly cache = new Cache<T>();
  started = false;
  hasSynced = false;
  readonly #selector: SelectorOptions;
  readonly #transform: ((object: T) => T) | undefined;
  readonly #log: Log;
  readonly #listeners: ((object: T | undefined, old: T | undefined) => void)[] = [];
  readonly #markSynced: () => void;

  constructor(resource: Resource<T>, selector: SelectorOptions, transform: InformerOptions<T>['transform'], log: Log) {
    this.resource = resource;
    this.#selector = selector;
    this.#transform = transform;
    this.#log = log;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.#markSynced = resolve;
  }

  get(key: Key): T | undefined {
    return this.cache.get(key);
  }

  list(namespace?: string): readonly T[] {
    if (namespace === undefined) return this.cache.values();
    this.cache.addIndex(NAMESPACE_INDEX, (object) => [object.metadata?.namespace ?? '']);
    return this.cache.byIndex(NAMESPACE_INDEX, namespace);
  }

  byIndex(index: string, value: string): readonly T[] {
    return this.cache.byIndex(index, value);
  }

  onChange(listener: (object: T | undefined, old: T | undefined) => void): void {
    this.#listeners.push(listener);
    for (const object of this.cache.values()) this.#call(listener, object, undefined);
  }

  run(options: Pick<ReflectorOptions<T>, 'client' | 'reachable' | 'signal'>): Promise<void> {
    this.started = true;
    return reflect({
      ...options,
      resource: this.resource,
      selector: this.#selector,
      log: this.#log,
      keep: (object) => this.#keep(object),
      replace: (items) => this.#replace(items),
      apply: ({ type, object }) => this.#change(keyOf(object), type === 'DELETED' ? undefined : object, object),
    });
  }

  #keep(object: T): T {
    // Nobody here reads who set which field, and it can be half of an object's size.
    if (object.metadata) delete object.metadata.managedFields;
    return this.#transform?.(object) ?? object;
  }

  #replace(items: readonly T[]): void {
    const gone = new Set(this.cache.keys());
    for (const item of items) {
      const key = keyOf(item);
      gone.delete(key);
      this.#change(key, item);
    }
    for (const key of gone) this.#change(key, undefined);
    this.hasSynced = true;
    this.#markSynced();
  }

  /** `last` is the newest known state of an object that is gone. */
  #change(key: Key, object: T | undefined, last?: T): void {
    const old = this.cache.get(key);
    if (!object && !old) return;
    if (object && old?.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    this.cache.set(key, object);
    for (const listener of this.#listeners) this.#call(listener, object, object ? old : (last ?? old));
  }

  #call(
    listener: (object: T | undefined, old: T | undefined) => void,
    object: T | undefined,
    old: T | undefined,
  ): void {
    try {
      listener(object, old);
    } catch (error) {
      this.#log.error(`a listener of ${this.resource.plural} failed`, { error });
    }
  }
}
