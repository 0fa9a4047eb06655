import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupMode } from './cgroup.ts';
import { OomLog } from './oom-log.ts';

test('a cgroup in which the kernel killed a process for want of memory is known, also to who asks later', async (t) => {
  const isV2 = cgroupMode() === 'v2';
  const root = isV2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
  if (isV2) writeFileSync(join(root, 'cgroup.subtree_control'), '+memory');
  const name = `knit-t-oom-${process.pid}`;
  const folder = join(root, name);
  mkdirSync(folder);
  t.after(() => rmdirSync(folder));
  writeFileSync(join(folder, isV2 ? 'memory.max' : 'memory.limit_in_bytes'), String(16 * 2 ** 20));
  const log = new OomLog();
  t.after(() => log.close());
  assert.equal(log.has(name), false);

  const script = 'echo $$ >"$0" && exec dd if=/dev/zero of=/dev/null bs=64M count=1';
  const child = spawn('sh', ['-c', script, join(folder, 'cgroup.procs')], { stdio: 'ignore' });
  assert.equal(await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))), 'SIGKILL');
  assert.equal(log.has(name), true);

  const later = new OomLog();
  t.after(() => later.close());
  assert.equal(later.has(name), true);
});
