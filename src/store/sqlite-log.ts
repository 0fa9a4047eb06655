import { closeSync, fdatasync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';

const datasync = promisify(fdatasync);

/** What may be in the log before it is brought into the database, in bytes as {@link SqliteLog.add} counts them. */
export const LONG = 16 * 1024 * 1024;

/** Of new databases. Objects are of some kilobytes: a page of the default size would hold one, and be half empty. */
export const PAGE = 8192;

/**
 * The write-ahead log of an open database (https://www.sqlite.org/wal.html). SQLite would wait for the disk at each
 * commit, and twice more when it brings the log into the database (a checkpoint); here a thread of the pool waits,
 * and this one goes on. A rejection means that what the disk holds is not known.
 */
export class SqliteLog {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #long: number;
  #log: number | undefined;
  #file: number | undefined;
  #bytes = 0;
  #checkpoint: Promise<void> | undefined;

  /** @param path Of the database */
  constructor(database: DatabaseSync, path: string, long: number) {
    this.#database = database;
    this.#path = path;
    this.#long = long;
  }

  /** Tells what a transaction adds to the log, at the most: a row changes a page of the index, too. */
  add(rows: number, bytes: number): void {
    this.#bytes += rows * PAGE + bytes;
  }

  get isLong(): boolean {
    return this.#bytes >= this.#long;
  }

  /** Makes what was committed durable. The log stays one file while the database is open: it is begun anew in place. */
  async sync(): Promise<void> {
    this.#log ??= openSync(`${this.#path}-wal`, 'r');
    await datasync(this.#log);
  }

  /** Brings the log into the database. No transaction may begin while it is {@link underWay}. */
  checkpoint(): Promise<void> {
    this.#checkpoint ??= this.#copy().finally(() => {
      this.#checkpoint = undefined;
    });
    return this.#checkpoint;
  }

  /** The checkpoint that is being made: a transaction would write over the log before the database is on the disk. */
  get underWay(): Promise<void> | undefined {
    return this.#checkpoint;
  }

  /** First the log must be on the disk, then the database, and only then may the log be begun anew. */
  async #copy(): Promise<void> {
    await this.sync();
    this.#database.exec('PRAGMA synchronous=OFF');
    try {
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // There is no room: the log stays, and who writes next is told of it.
      return;
    } finally {
      this.#database.exec('PRAGMA synchronous=NORMAL');
    }
    this.#file ??= openSync(this.#path, 'r');
    await datasync(this.#file);
    this.#bytes = 0;
  }

  /** After the database was closed: closing a file gives up this process's locks on it (fcntl(2)). */
  close(): void {
    for (const file of [this.#log, this.#file]) if (file !== undefined) closeSync(file);
  }
}
