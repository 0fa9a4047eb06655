import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { killCgroup, makeCgroup, processesIn, removeCgroup } from './cgroup.ts';

test('a cgroup is ended with all below it, and removed with the folders that it leaves empty', async () => {
  const path = `knit-t-cgroup-${process.pid}`;
  const above = makeCgroup(`${path}/a`);
  const below = makeCgroup(`${path}/a/b`);
  // Each goes into its cgroup before it becomes the program, which no SIGTERM ends.
  const script = 'echo $$ >"$0" && echo in && trap "" TERM && exec sleep 60';
  const children = [above, below].map((file) =>
    spawn('sh', ['-c', script, file], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const ended = children.map((child) => new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))));
  await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once('data', resolve))));
  const pids = (list: readonly (number | undefined)[]) => list.toSorted();
  assert.deepEqual(pids(processesIn(path)), pids(children.map((child) => child.pid)));
  await killCgroup(path);
  assert.deepEqual(await Promise.all(ended), ['SIGKILL', 'SIGKILL']);
  assert.deepEqual(processesIn(path), []);
  await removeCgroup(`${path}/a`);
  assert.equal(existsSync(dirname(dirname(above))), false);
});

test('what is not there is ended and removed already', async () => {
  await killCgroup('knit-t-cgroup-none/x');
  await removeCgroup('knit-t-cgroup-none/x');
  assert.deepEqual(processesIn('knit-t-cgroup-none/x'), []);
});
