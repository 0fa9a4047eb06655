import { KnitError } from '../base/errors.ts';
import type { Backend, Row } from './backend.ts';
import { Compacted, type Entry, RevisionConflict, type Store, type StoreEvent } from './store.ts';

/** What all engines share: writes of one moment in one commit, conflicts, watches. */
export function versionedStore(backend: Backend): Store {
  return new VersionedStore(backend);
}

interface PendingWrite {
  readonly key: string;
  readonly value: string | undefined;
  readonly expected: number;
  resolve(row: Row): void;
  reject(error: unknown): void;
}

interface Watcher {
  readonly prefix: string;
  readonly listener: (events: readonly StoreEvent[]) => void;
  /** What was committed before the watcher got what it had missed; `undefined` once it has. */
  held: StoreEvent[] | undefined;
}

class VersionedStore implements Store {
  readonly #backend: Backend;
  readonly #watchers = new Set<Watcher>();
  #pending: PendingWrite[] = [];
  /** Resolves when nothing waits any more; `undefined` while nothing does. */
  #flushing: Promise<void> | undefined;
  #closed = false;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get revision(): number {
    return this.#backend.revision;
  }

  async get(key: string, options: { revision?: number } = {}): Promise<Entry | undefined> {
    const row = this.#backend.get(key, this.#readable(options.revision));
    return row && entryOf(row);
  }

  async list(prefix: string, options: { revision?: number; limit?: number; after?: string } = {}) {
    const revision = this.#readable(options.revision);
    const limit = options.limit ?? Number.MAX_SAFE_INTEGER - 1;
    const rows = this.#backend.list(prefix, revision, options.after ?? '', limit + 1);
    return { revision, entries: rows.slice(0, limit).map(entryOf), more: rows.length > limit };
  }

  async put(key: string, value: string, expected: number): Promise<Entry> {
    return entryOf(await this.#write(key, value, expected));
  }

  async delete(key: string, expected: number): Promise<number> {
    return (await this.#write(key, undefined, expected)).revision;
  }

  watch(prefix: string, after: number, listener: (events: readonly StoreEvent[]) => void): () => void {
    this.#assertOpen();
    if (after < this.#backend.compacted) throw new Compacted(after, this.#backend.compacted);
    const missed = this.#backend.changes(prefix, after).map((row) => this.#eventOf(row));
    const watcher: Watcher = { prefix, listener, held: missed.length > 0 ? missed : undefined };
    this.#watchers.add(watcher);
    if (watcher.held) queueMicrotask(() => this.#catchUp(watcher));
    return () => this.#watchers.delete(watcher);
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen();
    const upTo = Math.min(revision, this.#backend.revision);
    if (upTo > this.#backend.compacted) this.#backend.compact(upTo);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    this.#watchers.clear();
    this.#backend.close();
  }

  #write(key: string, value: string | undefined, expected: number): Promise<Row> {
    this.#assertOpen();
    return new Promise((resolve, reject) => {
      this.#pending.push({ key, value, expected, resolve, reject });
      this.#flushing ??= this.#flushAll();
    });
  }

  /** One commit after another: what is written while one is under way shares the next. */
  async #flushAll(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // for the other writes of this moment
    while (this.#pending.length > 0) await this.#flush(this.#pending.splice(0));
    this.#flushing = undefined;
  }

  /** Commits writes. Refusals are told after the commit too: they may rest on a write of the same commit. */
  async #flush(writes: readonly PendingWrite[]): Promise<void> {
    const outcome = new Map<PendingWrite, Row | RevisionConflict>();
    const rows: Row[] = [];
    const events: StoreEvent[] = [];
    try {
      this.#decide(writes, outcome, rows, events);
      if (rows.length > 0) await this.#backend.commit(rows);
    } catch (error) {
      for (const write of writes) write.reject(error);
      return;
    }
    this.#notify(events);
    for (const [write, result] of outcome) {
      if (result instanceof RevisionConflict) write.reject(result);
      else write.resolve(result);
    }
  }

  #decide(
    writes: readonly PendingWrite[],
    outcome: Map<PendingWrite, Row | RevisionConflict>,
    rows: Row[],
    events: StoreEvent[],
  ): void {
    const changed = new Map<string, Row>();
    let revision = this.#backend.revision;
    for (const write of writes) {
      const known = changed.get(write.key) ?? this.#backend.get(write.key, revision);
      const present = known?.value === undefined ? undefined : known;
      const actual = present?.revision ?? 0;
      if (actual !== write.expected || (write.value === undefined && !present)) {
        outcome.set(write, new RevisionConflict(write.key, write.expected, actual));
        continue;
      }
      revision += 1;
      const createRevision = present?.createRevision ?? revision;
      const row: Row = { revision, key: write.key, value: write.value, createRevision, previous: actual };
      changed.set(write.key, row);
      rows.push(row);
      events.push(toEvent(row, present));
      outcome.set(write, row);
    }
  }

  #notify(events: readonly StoreEvent[]): void {
    if (events.length === 0) return;
    for (const watcher of [...this.#watchers]) {
      const matching = events.filter((event) => keyOf(event).startsWith(watcher.prefix));
      if (matching.length === 0 || !this.#watchers.has(watcher)) continue;
      if (watcher.held) watcher.held.push(...matching);
      else watcher.listener(matching);
    }
  }

  #catchUp(watcher: Watcher): void {
    const events = watcher.held ?? [];
    watcher.held = undefined;
    if (this.#watchers.has(watcher)) watcher.listener(events);
  }

  #eventOf(row: Row): StoreEvent {
    return toEvent(row, row.previous === 0 ? undefined : this.#backend.get(row.key, row.previous));
  }

  #readable(asked: number | undefined): number {
    this.#assertOpen();
    const revision = asked ?? this.#backend.revision;
    if (revision < this.#backend.compacted) throw new Compacted(revision, this.#backend.compacted);
    if (revision > this.#backend.revision) {
      throw new KnitError('STORE_FUTURE_REVISION', `revision ${revision} is not written yet (at ${this.revision})`);
    }
    return revision;
  }

  #assertOpen(): void {
    if (this.#closed) throw new KnitError('STORE_CLOSED', 'the store is closed');
  }
}

function entryOf(row: Row): Entry {
  return { key: row.key, value: row.value ?? '', createRevision: row.createRevision, modRevision: row.revision };
}

function toEvent(row: Row, previous: Row | undefined): StoreEvent {
  const before = previous && entryOf(previous);
  if (row.value !== undefined) return { type: 'put', entry: entryOf(row), previous: before };
  if (!before) throw new Error(`deletion ${row.revision} of ${row.key} has nothing before it`);
  return { type: 'delete', key: row.key, revision: row.revision, previous: before };
}

function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
