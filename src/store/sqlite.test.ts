import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'knit-sqlite-'));
after(() => rm(folder, { recursive: true }));
const fileOf = (name: string) => join(folder, `${name}.db`);

describe('a store in a file', () => {
  it('is the same after it was closed and opened, its history and its compaction too', async () => {
    const path = fileOf('reopened');
    const first = await openSqliteStore(path);
    await first.put('/a', 'one', 0);
    await first.put('/a', 'two', 1);
    await first.put('/b', 'b', 0);
    await first.delete('/b', 3);
    await first.compact(1);
    await first.close();
    const second = await openSqliteStore(path);
    assert.equal(second.revision, 4);
    assert.equal((await second.list('/', { revision: 3 })).entries.length, 2);
    await second.compact(4);
    await second.close();
    const third = await openSqliteStore(path);
    assert.equal((await third.put('/c', 'c', 0)).modRevision, 5, 'a revision is never given twice');
    await third.close();
  });

  it('brings its log into the database while it is written, read and compacted', async () => {
    const path = fileOf('log');
    const store = await openSqliteStore(path, 200_000);
    const value = (round: number) => `${round} ${'x'.repeat(2000)}`;
    const revisions = new Map<string, number>();
    const rounds = 60;
    for (let round = 0; round < rounds; round++) {
      const compaction = round % 10 === 9 ? store.compact(store.revision - 5) : undefined;
      await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const key = `/k/${i}`;
          revisions.set(key, (await store.put(key, value(round), revisions.get(key) ?? 0)).modRevision);
        }),
      );
      await compaction;
    }
    assert.equal(store.revision, rounds * 10);
    const log = statSync(`${path}-wal`).size;
    assert.ok(log < 1_000_000, `the log is begun anew again and again, and has ${log} bytes`);
    await store.close();
    const again = await openSqliteStore(path);
    const { entries } = await again.list('/k/');
    assert.deepEqual(new Map(entries.map(({ key, modRevision }) => [key, modRevision])), revisions);
    assert.ok(entries.every((entry) => entry.value === value(rounds - 1)));
    await again.close();
  });

  it('refuses a file of a newer knit, and leaves it as it is', async () => {
    const path = fileOf('newer');
    await (await openSqliteStore(path)).close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    await assert.rejects(openSqliteStore(path), { code: 'STORE_NEWER', hint: 'use the newer knit' });
  });

  it('refuses a file that is none of its own', async () => {
    const path = fileOf('damaged');
    writeFileSync(path, 'this was a database once '.repeat(400));
    await assert.rejects(openSqliteStore(path), { code: 'STORE_DAMAGED' });
  });

  it('refuses to share a file with another process', async () => {
    const path = fileOf('shared');
    const store = await openSqliteStore(path);
    await store.put('/a', 'a', 0);
    await assert.rejects(openSqliteStore(path), { code: 'STORE_LOCKED' });
    await store.close();
  });

  it('rejects what does not fit on the disk, and goes on when there is room', async () => {
    assert.equal(process.getuid?.(), 0, 'this test mounts a small disk: run it as root');
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'knit-t-store', disk]);
    try {
      const ballast = join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc(300_000));
      const store = await openSqliteStore(join(disk, 'full.db'));
      await store.put('/kept', 'kept', 0);
      const many = Array.from({ length: 40 }, (_, index) => store.put(`/big/${index}`, 'x'.repeat(50_000), 0));
      for (const result of await Promise.allSettled(many)) {
        assert.equal(result.status, 'rejected');
        assert.equal(result.reason.code, 'STORE_FULL');
      }
      assert.equal(store.revision, 1);
      assert.deepEqual((await store.list('/')).entries.length, 1);
      rmSync(ballast);
      assert.equal((await store.put('/after', 'x'.repeat(100_000), 0)).modRevision, 2);
      await store.close();
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('opens on a full disk after its process was killed, and gives what was acknowledged', async () => {
    const disk = join(folder, 'full');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'knit-t-store', disk]);
    try {
      const path = join(disk, 'killed.db');
      const acknowledged = await writeUntilKilled(path, 'r', 100);
      const ballast = join(disk, 'ballast');
      execFileSync('sh', ['-c', 'cat /dev/zero > "$1" 2>&1 || true', 'sh', ballast], { stdio: 'ignore' });
      const store = await openSqliteStore(path);
      for (const [key, { revision, value }] of acknowledged) {
        assert.equal((await store.get(key, { revision }))?.value, value);
      }
      rmSync(ballast);
      await store.put('/after', 'a', 0);
      await store.close();
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('loses no acknowledged write when its process is killed at any moment', async () => {
    const path = fileOf('crash');
    const acknowledged = new Map<string, { revision: number; value: string }>();
    for (let round = 0; round < 6; round++) {
      for (const [key, write] of await writeUntilKilled(path, `r${round}`, 200 + round * 97))
        acknowledged.set(key, write);
      const store = await openSqliteStore(path);
      assert.ok(acknowledged.size > 0, 'the child wrote something');
      for (const [key, { revision, value }] of acknowledged) {
        const entry = await store.get(key, { revision });
        assert.deepEqual([entry?.modRevision, entry?.value], [revision, value], `${key} of round ${round}`);
      }
      await store.close();
    }
  });
});

/** Runs a writer, kills it in the middle of its work, and returns its last acknowledged write of each key. */
async function writeUntilKilled(path: string, tag: string, writes: number) {
  const script = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
  const child = spawn(process.execPath, [script, path, tag], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let lines = 0;
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    text += chunk;
    lines += chunk.split('\n').length - 1;
    if (lines >= writes) child.kill('SIGKILL');
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await once(child, 'close');
  clearTimeout(deadline);
  const last = new Map<string, { revision: number; value: string }>();
  // What stands after the last line end was cut off by the kill.
  for (const line of text.split('\n').slice(0, -1)) {
    const [key = '', revision, value = ''] = line.split(' ');
    last.set(key, { revision: Number(revision), value });
  }
  return last;
}
