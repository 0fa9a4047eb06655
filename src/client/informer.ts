import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { Client, SelectorOptions } from './client.ts';

/** `namespace/name`, or `name` for what has no namespace. */
export type Key = string;

/**
 * A copy of a part of the API server's objects, kept up to date by list and watch. Objects of the copy are shared:
 * never change one.
 */
export interface Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  get(key: Key): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects under a value of an index that was given to {@link InformerOptions.indexes}. */
  byIndex(index: string, value: string): readonly T[];
  /**
   * Called after the copy changed, in the order of the changes; at once for what is already there. `old` is undefined for a new object, `object` for one that is gone.
   */
  onChange(listener: (object: T | undefined, old: T | undefined) => void): void;
  /** Resolves when the first list is in the copy. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
}

export interface InformerOptions<T extends KubeObject> extends SelectorOptions {
  /** A name means the same to all who share the informer: the function that was given first is kept. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /**
   * Cuts an object down to what is used of it, before it is kept. Name, namespace and resource version must stay. As
   * with indexes, all who share the informer get what the first one asked for.
   */
  readonly transform?: (object: T) => T;
}

/** Makes each informer once and shares it among those who ask alike; runs them all. */
export interface InformerFactory {
  readonly client: Client;
  informer<T extends KubeObject>(resource: Resource<T>, options?: InformerOptions<T>): Informer<T>;
  /**
   * Starts what was made so far and resolves when all have synced. May be called again after more were made.
   * Throws where `stop` comes first.
   */
  start(): Promise<void>;
  stop(): Promise<void>;
}
