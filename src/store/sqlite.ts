import { closeSync, fdatasync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { KnitError, messageOf } from '../base/errors.ts';
import { type Backend, endOfPrefix, type Row } from './backend.ts';
import { migrate } from './sqlite-schema.ts';
import type { Store } from './store.ts';
import { versionedStore } from './versioned.ts';

/** https://www.sqlite.org/rescode.html */
const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const datasync = promisify(fdatasync);

/** Revisions that one transaction of a compaction looks at, so that no write waits long for it. */
const COMPACTION_STEP = 2000;

/**
 * Opens or makes the store in a file. A write is on the disk before it is acknowledged: the write-ahead log is synced
 * after each commit by a thread of the pool, as SQLite would with synchronous=FULL, while this thread goes on. A log
 * that cannot be synced ends the store: what the disk holds then is not known.
 *
 * @throws KnitError `STORE_NEWER` (written by a newer knit), `STORE_DAMAGED`, `STORE_LOCKED`, `STORE_OPEN`
 */
export async function openSqliteStore(path: string): Promise<Store> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 2000 });
    // Exclusive before the first access: then the log's index is in memory, and a full disk can be opened.
    // Objects are of some kilobytes: a page of the default size would hold one, and leave the rest of itself empty.
    database.exec('PRAGMA page_size=8192; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL');
    // A checkpoint holds up everything for two syncs: it comes after 16 MB of log, and not after each 4.
    database.exec('PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=2000');
    database.exec('PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-8000');
    migrate(database, path);
    return versionedStore(new SqliteBackend(database, path));
  } catch (error) {
    if (database?.isOpen) database.close();
    throw explainOpening(error, path);
  }
}

interface StoredRow {
  revision: number;
  key: string;
  value: string | null;
  create_revision: number;
  previous: number;
}

class SqliteBackend implements Backend {
  revision: number;
  compacted: number;
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #changes: StatementSync;
  readonly #insert: StatementSync;
  readonly #walPath: string;
  #wal: number | undefined;
  #broken: KnitError | undefined;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#walPath = `${path}-wal`;
    this.#get = database.prepare(
      'SELECT * FROM revisions WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1',
    );
    this.#list = database.prepare(
      `SELECT r.* FROM revisions r WHERE r.key > ? AND r.key >= ? AND r.key < ? AND r.value IS NOT NULL
       AND r.revision = (SELECT max(n.revision) FROM revisions n WHERE n.key = r.key AND n.revision <= ?)
       ORDER BY r.key LIMIT ?`,
    );
    this.#changes = database.prepare(
      'SELECT * FROM revisions WHERE revision > ? AND key >= ? AND key < ? ORDER BY revision',
    );
    this.#insert = database.prepare('INSERT INTO revisions VALUES (?, ?, ?, ?, ?)');
    this.compacted = this.#meta('compacted');
    // The newest row may be a deletion that a compaction took away; the counter must not go back then.
    const newest = database.prepare('SELECT max(revision) AS newest FROM revisions').get();
    this.revision = Math.max(Number(newest?.newest ?? 0), this.compacted);
  }

  get(key: string, revision: number): Row | undefined {
    const row = this.#get.get(key, revision) as StoredRow | undefined;
    return row && row.value !== null ? rowOf(row) : undefined;
  }

  list(prefix: string, revision: number, after: string, limit: number): Row[] {
    const rows = this.#list.all(after, prefix, endOfPrefix(prefix), revision, limit);
    return (rows as unknown as StoredRow[]).map(rowOf);
  }

  changes(prefix: string, after: number): Row[] {
    if (after >= this.revision) return [];
    return (this.#changes.all(after, prefix, endOfPrefix(prefix)) as unknown as StoredRow[]).map(rowOf);
  }

  async commit(rows: readonly Row[]): Promise<void> {
    if (this.#broken) throw this.#broken;
    this.#transaction(() => {
      for (const row of rows) {
        this.#insert.run(row.revision, row.key, row.value ?? null, row.createRevision, row.previous);
      }
    });
    await this.#sync();
    this.revision = rows.at(-1)?.revision ?? this.revision;
  }

  /** The log stays one file while the database is open: SQLite begins it anew, but does not replace it. */
  async #sync(): Promise<void> {
    this.#wal ??= openSync(this.#walPath, 'r');
    try {
      await datasync(this.#wal);
    } catch (error) {
      this.#broken = explainWriting(error);
      throw this.#broken;
    }
  }

  compact(revision: number): void {
    // A row becomes superfluous through the next row of its key, which names it as its previous one.
    const superseded = this.#database.prepare(
      `DELETE FROM revisions WHERE revision IN
       (SELECT previous FROM revisions WHERE revision > ? AND revision <= ? AND previous > 0)`,
    );
    const deletions = this.#database.prepare(
      'DELETE FROM revisions WHERE revision > ? AND revision <= ? AND value IS NULL',
    );
    const mark = this.#database.prepare("INSERT OR REPLACE INTO meta VALUES ('compacted', ?)");
    for (let from = this.compacted; from < revision; from += COMPACTION_STEP) {
      const upTo = Math.min(from + COMPACTION_STEP, revision);
      this.#transaction(() => {
        superseded.run(from, upTo);
        deletions.run(from, upTo);
        mark.run(upTo);
      });
      this.compacted = upTo;
    }
  }

  close(): void {
    if (this.#wal !== undefined) closeSync(this.#wal);
    this.#database.close();
  }

  #meta(name: string): number {
    return Number(this.#database.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.value ?? 0);
  }

  #transaction(work: () => void): void {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite rolls back by itself when the disk is full.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw explainWriting(error);
    }
  }
}

function rowOf(row: StoredRow): Row {
  return {
    revision: row.revision,
    key: row.key,
    value: row.value ?? undefined,
    createRevision: row.create_revision,
    previous: row.previous,
  };
}

function codeOf(error: unknown): number {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
  return code & 0xff;
}

function explainWriting(error: unknown): KnitError {
  const code = codeOf(error);
  if (code === SQLITE_FULL) {
    const hint = 'free space; writing goes on by itself then';
    return new KnitError('STORE_FULL', 'the disk that holds the cluster store is full', hint, { cause: error });
  }
  const kind = code === SQLITE_IOERR ? 'STORE_IO' : 'STORE_WRITE';
  return new KnitError(kind, `the cluster store could not be written: ${messageOf(error)}`, undefined, {
    cause: error,
  });
}

function explainOpening(error: unknown, path: string): unknown {
  if (error instanceof KnitError) return error;
  const code = codeOf(error);
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    const hint = 'put a copy of the file in its place, or move it away to start empty';
    return new KnitError('STORE_DAMAGED', `${path} is not an intact store`, hint, { cause: error });
  }
  if (/locked|busy/i.test(messageOf(error))) {
    const hint = 'one server at a time may use it; stop the other one';
    return new KnitError('STORE_LOCKED', `${path} is in use by another process`, hint, { cause: error });
  }
  return new KnitError('STORE_OPEN', `${path} cannot be opened: ${messageOf(error)}`, undefined, { cause: error });
}
