/**
 * A versioned key-value store, shaped so that etcd fits it as it is: one counter of revisions for all keys,
 * compare-and-set by a key's own revision, watch from a revision, compaction.
 *
 * Promises, for every engine:
 * - A write that resolved is durable (memory excepted): it is there after SIGKILL or power loss.
 * - Revisions grow by one a write, are never reused, and events come in their order, each once.
 * - A write that was refused or failed changed nothing.
 */
export interface Store {
  /** Revision of the newest durable write. */
  readonly revision: number;
  get(key: string, options?: { revision?: number }): Promise<Entry | undefined>;
  /** Entries whose key starts with `prefix`, in key order, as of one revision. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /**
   * Writes a value if the key's present `modRevision` is `expected` (0: it must not exist), else throws
   * {@link RevisionConflict}. Writes of one moment share one commit.
   */
  put(key: string, value: string, expected: number): Promise<Entry>;
  /** Deletes under the same condition. Returns the revision of the deletion. */
  delete(key: string, expected: number): Promise<number>;
  /**
   * All of these writes, in this order and with nothing between them, or none: one {@link RevisionConflict} refuses
   * all. Returns their revisions. No key may be there twice.
   */
  write(writes: readonly Write[]): Promise<readonly number[]>;
  /**
   * Calls `listener` with each batch of committed events whose revision is greater than `after`, in order, until
   * the returned function is called. Throws {@link Compacted} where `after` is older than what is kept.
   */
  watch(prefix: string, after: number, listener: (events: readonly StoreEvent[]) => void): () => void;
  /** Forgets history before `revision`; present values stay. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
  /** Whether a key's value is kept in another form than it would be written in now. */
  isStale?(key: string): boolean;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
}

export interface Write {
  readonly key: string;
  /** `undefined` deletes. */
  readonly value: string | undefined;
  /** The key's present `modRevision`, 0 where it does not exist. */
  readonly expected: number;
}

export interface ListOptions {
  readonly revision?: number;
  readonly limit?: number;
  /** Only keys greater than this one. */
  readonly after?: string;
}

export interface ListResult {
  readonly revision: number;
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

export type StoreEvent =
  | { readonly type: 'put'; readonly entry: Entry; readonly previous: Entry | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number; readonly previous: Entry };

/** The key is not at the revision that the writer thought it was. */
export class RevisionConflict extends Error {
  readonly key: string;
  /** What it is at, 0 where it does not exist. */
  readonly actual: number;
  constructor(key: string, expected: number, actual: number) {
    super(`${key} is at revision ${actual}, not ${expected}`);
    this.name = 'RevisionConflict';
    this.key = key;
    this.actual = actual;
  }
}

/** The revision asked for is older than what the store kept. */
export class Compacted extends Error {
  readonly oldest: number;
  constructor(asked: number, oldest: number) {
    super(`revision ${asked} was compacted; the oldest kept is ${oldest}`);
    this.name = 'Compacted';
    this.oldest = oldest;
  }
}
