import type { DatabaseSync } from 'node:sqlite';
import { KnitError } from '../base/errors.ts';

/** Step N brings a file from version N to N + 1. Steps are only ever added. */
const steps: readonly ((database: DatabaseSync) => void)[] = [
  (database) =>
    database.exec(`
      CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE revisions (
        revision INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        value TEXT,
        create_revision INTEGER NOT NULL,
        previous INTEGER NOT NULL
      );
      CREATE UNIQUE INDEX revisions_of_key ON revisions (key, revision);
    `),
];

/** The version that this knit writes; it stands in SQLite's own `user_version`. */
export const schemaVersion = steps.length;

/** Brings a file to {@link schemaVersion} in one transaction. */
export function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version > schemaVersion) {
    const message = `${path} was written by a newer knit (format ${version}, this one knows ${schemaVersion})`;
    throw new KnitError('STORE_NEWER', message, 'use the newer knit');
  }
  if (version === schemaVersion) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of steps.slice(version)) step(database);
  database.exec(`PRAGMA user_version = ${schemaVersion}`);
  database.exec('COMMIT');
}
