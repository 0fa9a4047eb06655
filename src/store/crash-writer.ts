import { openSqliteStore } from './sqlite.ts';

/**
 * Writes until it is killed, and prints each acknowledged write: `KEY REVISION VALUE`. Arguments: the file, and a tag
 * that makes this run's values its own. Part of the crash test.
 */
const [path = '', tag = ''] = process.argv.slice(2);
// So that it is now and then killed while the log is brought into the database.
const store = await openSqliteStore(path, 500_000);
const writers = Array.from({ length: 8 }, (_, index) => writeOn(`/w/${index}`));
await Promise.all(writers);

async function writeOn(key: string): Promise<void> {
  let revision = (await store.get(key))?.modRevision ?? 0;
  for (let count = 0; ; count++) {
    const value = `${tag}-${count}-${'x'.repeat(count % 500)}`;
    revision = (await store.put(key, value, revision)).modRevision;
    process.stdout.write(`${key} ${revision} ${value}\n`);
  }
}
