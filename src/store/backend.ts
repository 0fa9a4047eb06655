/** One revision of one key. */
export interface Row {
  readonly revision: number;
  readonly key: string;
  /** `undefined` says that this revision deleted the key. */
  readonly value: string | undefined;
  readonly createRevision: number;
  /** Revision of this key that came before, 0 where there was none (or it was a deletion). */
  readonly previous: number;
}

/** What one engine keeps. Its methods are called one at a time. */
export interface Backend {
  /** Revision of the newest durable row. */
  readonly revision: number;
  /** Everything newer than this revision is still known. */
  readonly compacted: number;
  /** The newest row of the key at or before `revision`; `undefined` where it never was or is deleted. */
  get(key: string, revision: number): Row | undefined;
  /** Rows that lived at `revision`, in key order, keys greater than `after`, `limit` at the most. */
  list(prefix: string, revision: number, after: string, limit: number): Row[];
  /** Rows with a revision greater than `after`, deletions included, in revision order. */
  changes(prefix: string, after: number): Row[];
  /** Makes all rows durable, or throws and keeps none. Readers see them, and `revision` counts them, from then on. */
  commit(rows: readonly Row[]): Promise<void> | void;
  /** Forgets what no reader at `revision` or later can see. */
  compact(revision: number): Promise<void> | void;
  close(): void;
}

/** First key after all that start with `prefix`; keys are compared by code unit. */
export function endOfPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}
