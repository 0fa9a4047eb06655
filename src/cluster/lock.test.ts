import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../kernel/run.ts';

/** Each lock is asked for by a process of its own, as commands do. */
const root = mkdtempSync(join(tmpdir(), 'knit-t-lock-'));
after(() => rmSync(root, { recursive: true, force: true }));

async function inProcess(body: string, folder = join(root, 'run')): Promise<string> {
  const env = { ...process.env, KNIT_RUNTIME_DIR: folder };
  const script = `import { withAddresses, withLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))};
    import { setTimeout as delay } from 'node:timers/promises';
    ${body}`;
  return await run(process.execPath, ['--input-type=module', '-e', script], { env });
}

test('one at a time works on a cluster; the others are told who does, and nothing is left', async () => {
  const told = await inProcess(`
    await withLock('demo', async () => {
      await withLock('other', async () => console.log('other is free'));
      await withLock('demo', async () => console.log('twice')).catch((error) => console.log(error.code, error.message.includes(process.pid)));
    });
    await withLock('demo', async () => console.log('free again'));`);
  assert.equal(told, 'other is free\nCLUSTER_BUSY true\nfree again\n');
  assert.equal(existsSync(join(root, 'run')), false);
});

test('of many that ask at once one works at a time', async () => {
  const worker = `
    let done = 0;
    while (done < 5) {
      try {
        await withLock('demo', async () => {
          const { mkdirSync, rmdirSync } = await import('node:fs');
          mkdirSync(${JSON.stringify(join(root, 'inside'))}); // throws where another is inside
          await delay(1);
          rmdirSync(${JSON.stringify(join(root, 'inside'))});
          done++;
        });
      } catch (error) {
        if (error.code !== 'CLUSTER_BUSY') throw error;
        await delay(1);
      }
    }`;
  await Promise.all(Array.from({ length: 4 }, () => inProcess(worker)));
});

test('who chooses addresses waits for others who do', async () => {
  const inside = JSON.stringify(join(root, 'choosing'));
  const worker = `
    const { mkdirSync, rmdirSync } = await import('node:fs');
    for (let done = 0; done < 5; done++) {
      await withAddresses(async () => {
        mkdirSync(${inside}); // throws where another is inside
        await delay(1);
        rmdirSync(${inside});
      });
    }`;
  await Promise.all(Array.from({ length: 4 }, () => inProcess(worker)));
  assert.equal(existsSync(join(root, 'run')), false);
});

test('a lock whose owner was killed is taken over', async () => {
  await assert.rejects(inProcess(`await withLock('demo', async () => process.kill(process.pid, 'SIGKILL'));`));
  assert.ok(lstatSync(join(root, 'run/demo/lock')).isSymbolicLink());
  assert.equal(await inProcess(`await withLock('demo', async () => console.log('mine'));`), 'mine\n');
});

test('a full disk keeps nobody from working, for who ends a cluster makes room', async () => {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk]);
  try {
    assert.throws(() => writeFileSync(join(disk, 'large'), Buffer.alloc(32 << 10)), { code: 'ENOSPC' });
    assert.equal(
      await inProcess(`await withLock('demo', async () => console.log('mine'));`, join(disk, 'run')),
      'mine\n',
    );
  } finally {
    await run('umount', [disk]);
  }
});
