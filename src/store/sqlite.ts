import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { KnitError, messageOf } from '../base/errors.ts';
import { type Backend, endOfPrefix, type Row } from './backend.ts';
import { LONG, PAGE, SqliteLog } from './sqlite-log.ts';
import { migrate } from './sqlite-schema.ts';
import type { Store } from './store.ts';
import { versionedStore } from './versioned.ts';

/** https://www.sqlite.org/rescode.html */
const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Revisions that one transaction of a compaction looks at, so that no write waits long for it. */
const COMPACTION_STEP = 2000;

/**
 * Opens or makes the store in a file. A write is on the disk before it is acknowledged: the write-ahead log is synced
 * after each commit by a thread of the pool, as SQLite would with synchronous=FULL, while this thread goes on. A disk
 * that cannot be synced ends the store: what it holds then is not known.
 *
 * @param longLog Bytes of log, by a rough count, that are brought into the database at once
 * @throws KnitError `STORE_NEWER` (written by a newer knit), `STORE_DAMAGED`, `STORE_LOCKED`, `STORE_OPEN`
 */
export async function openSqliteStore(path: string, longLog = LONG): Promise<Store> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 2000 });
    // Exclusive before the first access: then the log's index is in memory, and a full disk can be opened.
    database.exec(`PRAGMA page_size=${PAGE}; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL`);
    // SQLite's own checkpoints wait for the disk: only a compaction makes so much log that they come before ours.
    database.exec('PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=8000');
    database.exec('PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-8000');
    migrate(database, path);
    return versionedStore(new SqliteBackend(database, new SqliteLog(database, path, longLog)));
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
  readonly #log: SqliteLog;
  #broken: KnitError | undefined;

  constructor(database: DatabaseSync, log: SqliteLog) {
    this.#database = database;
    this.#log = log;
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
    if (this.#log.isLong) await this.#durably(this.#log.checkpoint());
    this.#transaction(() => {
      let bytes = 0;
      for (const { revision, key, value, createRevision, previous } of rows) {
        this.#insert.run(revision, key, value ?? null, createRevision, previous);
        bytes += 2 * key.length + (value?.length ?? 0);
      }
      this.#log.add(rows.length, bytes);
    });
    await this.#durably(this.#log.sync());
    this.revision = rows.at(-1)?.revision ?? this.revision;
  }

  async #durably(synced: Promise<void>): Promise<void> {
    try {
      await synced;
    } catch (error) {
      this.#broken = explainWriting(error);
      throw this.#broken;
    }
  }

  async compact(revision: number): Promise<void> {
    // A row becomes superfluous through the next row of its key, which names it as its previous one.
    const superseded = this.#database.prepare(
      `DELETE FROM revisions WHERE revision IN
       (SELECT previous FROM revisions WHERE revision > ? AND revision <= ? AND previous > 0)`,
    );
    const deletions = this.#database.prepare(
      'DELETE FROM revisions WHERE revision > ? AND revision <= ? AND value IS NULL',
    );
    const mark = this.#database.prepare("INSERT OR REPLACE INTO meta VALUES ('compacted', ?)");
    while (this.#database.isOpen && this.compacted < revision) {
      if (this.#log.underWay) {
        await this.#log.underWay;
        continue;
      }
      const [from, upTo] = [this.compacted, Math.min(this.compacted + COMPACTION_STEP, revision)];
      this.#transaction(() => {
        const gone = Number(superseded.run(from, upTo).changes) + Number(deletions.run(from, upTo).changes);
        mark.run(upTo);
        this.#log.add(gone + 1, 0);
      });
      this.compacted = upTo;
    }
  }

  close(): void {
    this.#database.close();
    this.#log.close();
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
