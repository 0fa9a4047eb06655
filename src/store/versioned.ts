import { KnitError } from '../base/errors.ts';
import type { Backend, Row } from './backend.ts';
import { Compacted, type Entry, RevisionConflict, type Store, type StoreEvent, type Write } from './store.ts';

/** What all engines share: writes of one moment in one commit, conflicts, watches. */
export function versionedStore(backend: Backend): Store {
  return new VersionedStore(backend);
}

/** Writes that happen all or not at all. */
interface PendingWrites {
  readonly writes: readonly Write[];
  resolve(rows: readonly Row[]): void;
  reject(error: unknown): void;
}

/** What one commit is made of. */
interface Commit {
  readonly rows: Row[];
  readonly events: StoreEvent[];
  /** Its newest row of each key. */
  readonly changed: Map<string, Row>;
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
  #pending: PendingWrites[] = [];
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
    const [row] = await this.#write([{ key, value, expected }]);
    return entryOf(row as Row);
  }

  async delete(key: string, expected: number): Promise<number> {
    const [revision] = await this.write([{ key, value: undefined, expected }]);
    return revision as number;
  }

  async write(writes: readonly Write[]): Promise<readonly number[]> {
    return (await this.#write(writes)).map(({ revision }) => revision);
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
    if (upTo > this.#backend.compacted) await this.#backend.compact(upTo);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    this.#watchers.clear();
    this.#backend.close();
  }

  #write(writes: readonly Write[]): Promise<readonly Row[]> {
    this.#assertOpen();
    return new Promise((resolve, reject) => {
      this.#pending.push({ writes, resolve, reject });
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
  async #flush(pending: readonly PendingWrites[]): Promise<void> {
    const outcome = new Map<PendingWrites, readonly Row[] | RevisionConflict>();
    const commit: Commit = { rows: [], events: [], changed: new Map() };
    try {
      for (const each of pending) outcome.set(each, this.#decide(each.writes, commit));
      if (commit.rows.length > 0) await this.#backend.commit(commit.rows);
    } catch (error) {
      for (const each of pending) each.reject(error);
      return;
    }
    this.#notify(commit.events);
    for (const [each, result] of outcome) {
      if (result instanceof RevisionConflict) each.reject(result);
      else each.resolve(result);
    }
  }

  /** Adds the rows of these writes to the commit, or says which of them cannot be. */
  #decide(writes: readonly Write[], { rows, events, changed }: Commit): readonly Row[] | RevisionConflict {
    const present = writes.map(({ key }) => {
      const known = changed.get(key) ?? this.#backend.get(key, this.#backend.revision);
      return known?.value === undefined ? undefined : known;
    });
    for (const [index, { key, value, expected }] of writes.entries()) {
      const actual = present[index]?.revision ?? 0;
      if (actual !== expected || (value === undefined && !present[index])) {
        return new RevisionConflict(key, expected, actual);
      }
    }
    return writes.map(({ key, value, expected }, index) => {
      const revision = this.#backend.revision + rows.length + 1;
      const before = present[index];
      const row: Row = { revision, key, value, createRevision: before?.createRevision ?? revision, previous: expected };
      changed.set(key, row);
      rows.push(row);
      events.push(toEvent(row, before));
      return row;
    });
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
