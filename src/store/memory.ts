import { firstIndex } from '../base/sorted.ts';
import type { Backend, Row } from './backend.ts';
import type { Store } from './store.ts';
import { versionedStore } from './versioned.ts';

/** A store that forgets all when it is closed: for tests that ask for it. */
export function openMemoryStore(): Store {
  return versionedStore(new MemoryBackend());
}

class MemoryBackend implements Backend {
  revision = 0;
  compacted = 0;
  /** Revisions of each key, oldest first. */
  readonly #history = new Map<string, Row[]>();
  #sortedKeys: string[] | undefined = [];
  #log: Row[] = [];

  get(key: string, revision: number): Row | undefined {
    const row = this.#history.get(key)?.findLast((candidate) => candidate.revision <= revision);
    return row?.value === undefined ? undefined : row;
  }

  list(prefix: string, revision: number, after: string, limit: number): Row[] {
    const rows: Row[] = [];
    const keys = this.#keys();
    const from = after > prefix ? firstIndex(keys, (key) => key > after) : firstIndex(keys, (key) => key >= prefix);
    for (let index = from; index < keys.length && rows.length < limit; index++) {
      const key = keys[index] ?? '';
      if (!key.startsWith(prefix)) break;
      const row = this.get(key, revision);
      if (row) rows.push(row);
    }
    return rows;
  }

  changes(prefix: string, after: number): Row[] {
    return this.#log.filter((row) => row.revision > after && row.key.startsWith(prefix));
  }

  commit(rows: readonly Row[]): void {
    for (const row of rows) {
      const history = this.#history.get(row.key);
      if (history) history.push(row);
      else {
        this.#history.set(row.key, [row]);
        this.#sortedKeys = undefined;
      }
      this.#log.push(row);
      this.revision = row.revision;
    }
  }

  compact(revision: number): void {
    this.compacted = revision;
    this.#log = this.#log.filter((row) => row.revision > revision);
    for (const [key, history] of this.#history) {
      const present = history.findLastIndex((row) => row.revision <= revision);
      const keepFrom = present >= 0 && history[present]?.value === undefined ? present + 1 : Math.max(present, 0);
      const kept = history.slice(keepFrom);
      if (kept.length > 0) this.#history.set(key, kept);
      else {
        this.#history.delete(key);
        this.#sortedKeys = undefined;
      }
    }
  }

  close(): void {
    this.#history.clear();
    this.#log = [];
    this.#sortedKeys = [];
  }

  #keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#history.keys()].sort();
    return this.#sortedKeys;
  }
}
