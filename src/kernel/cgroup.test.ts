import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  cgroupControllers,
  cgroupMode,
  cpuWeight,
  killCgroup,
  makeCgroup,
  processesIn,
  raiseCgroupLimits,
  removeCgroup,
  removeCgroupTree,
  setCgroupLimits,
  setCpuShares,
} from './cgroup.ts';

const mounted = '/sys/fs/cgroup';
/** The machine's cgroups; where they are hybrid, the tree of version 2 beside them behaves as one that is alone. */
const roots = cgroupMode() === 'hybrid' ? [mounted, `${mounted}/unified`] : [mounted];

for (const root of roots) {
  const mode = cgroupMode(root);

  test(`a cgroup is ended with all below it, and removed with the folders that it leaves empty (${mode})`, async () => {
    const path = `knit-t-cgroup-${process.pid}`;
    const above = makeCgroup(`${path}/a`, root);
    const below = makeCgroup(`${path}/a/b`, root);
    // Each goes into its cgroup before it becomes the program, which no SIGTERM ends.
    const script = 'echo $$ >"$0" && echo in && trap "" TERM && exec sleep 60';
    const children = [above, below].map((file) =>
      spawn('sh', ['-c', script, file], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const ended = children.map((child) => new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))));
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once('data', resolve))));
    const pids = (list: readonly (number | undefined)[]) => list.toSorted();
    assert.deepEqual(pids(processesIn(path, root)), pids(children.map((child) => child.pid)));
    await killCgroup(path, root);
    assert.deepEqual(await Promise.all(ended), ['SIGKILL', 'SIGKILL']);
    assert.deepEqual(processesIn(path, root), []);
    await removeCgroup(`${path}/a`, root);
    assert.equal(existsSync(dirname(dirname(above))), false);
  });

  test(`of a tree only what was asked for is removed (${mode})`, async () => {
    const path = `knit-t-cgroup-tree-${process.pid}`;
    const above = dirname(makeCgroup(path, root));
    makeCgroup(`${path}/pod/container`, root);
    await removeCgroupTree(`${path}/pod`, root);
    assert.deepEqual([existsSync(above), existsSync(`${above}/pod`)], [true, false]);
    await removeCgroup(path, root);
    assert.equal(existsSync(above), false);
  });

  test(`what is not there is ended and removed already (${mode})`, async () => {
    await killCgroup('knit-t-cgroup-none/x', root);
    await removeCgroup('knit-t-cgroup-none/x', root);
    await removeCgroupTree('knit-t-cgroup-none/x', root);
    assert.deepEqual(processesIn('knit-t-cgroup-none/x', root), []);
  });
}

/** A folder with these files in it. */
function folderWith(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'knit-t-cgroup-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

test('limits are set in the words of the version that is mounted, and raised without lowering any', (t) => {
  const v2Files = ['cpu.max', 'memory.max', 'pids.max'].map((name) => `pods/a/${name}`);
  const v1Files = [
    'cpu,cpuacct/pods/a/cpu.cfs_quota_us',
    'memory/pods/a/memory.limit_in_bytes',
    'pids/pods/a/pids.max',
  ];
  const empty = (files: string[]) => Object.fromEntries(files.map((file) => [file, '']));
  const v2 = folderWith(t, { 'cgroup.controllers': 'cpu memory pids\n', ...empty(v2Files) });
  const v1 = folderWith(t, empty(v1Files));
  const both = () => [
    v2Files.map((file) => readFileSync(join(v2, file), 'utf8')),
    v1Files.map((file) => readFileSync(join(v1, file), 'utf8')),
  ];
  const set = (change: typeof setCgroupLimits, limits: object) => {
    for (const root of [v2, v1]) {
      change('pods/a', { cpuPeriodUs: 100_000, ...limits }, root);
      change('pods/gone', { cpuPeriodUs: 100_000, ...limits }, root);
    }
  };
  set(setCgroupLimits, { cpuQuotaUs: 20_000, memoryBytes: 4096, pids: 9 });
  assert.deepEqual(both(), [
    ['20000 100000', '4096', '9'],
    ['20000', '4096', '9'],
  ]);
  set(raiseCgroupLimits, { cpuQuotaUs: 30_000, memoryBytes: 2048 });
  assert.deepEqual(both(), [
    ['30000 100000', '4096', 'max'],
    ['30000', '4096', 'max'],
  ]);
  // A kernel's file is written as a whole; one on a disk is written over.
  for (const file of v2Files) writeFileSync(join(v2, file), '');
  for (const file of v1Files) writeFileSync(join(v1, file), '');
  set(setCgroupLimits, {});
  const none = [
    ['max 100000', 'max', 'max'],
    ['-1', '-1', 'max'],
  ];
  assert.deepEqual(both(), none);
  set(raiseCgroupLimits, { cpuQuotaUs: 20_000, memoryBytes: 4096 });
  assert.deepEqual(both(), none);
});

test('a share of cpu is set in the unit of the version that is mounted, and nowhere where there is nothing', (t) => {
  const v2 = folderWith(t, { 'cgroup.controllers': 'cpu memory pids\n', 'pods/a/cpu.weight': '' });
  const v1 = folderWith(t, { 'cpu,cpuacct/pods/a/cpu.shares': '', 'pids/pods/a/tasks': '' });
  for (const each of [v2, v1]) {
    setCpuShares('pods/a', 1024, each);
    setCpuShares('pods/gone', 1024, each);
  }
  assert.equal(readFileSync(join(v2, 'pods/a/cpu.weight'), 'utf8'), '39');
  assert.equal(readFileSync(join(v1, 'cpu,cpuacct/pods/a/cpu.shares'), 'utf8'), '1024');
  assert.equal(existsSync(join(v2, 'pods/gone')), false);
  assert.deepEqual([2, 262_144].map(cpuWeight), [1, 10_000]);
});

test('this machine has the controllers that limit what pods use', () => {
  const controllers = cgroupControllers();
  assert.deepEqual(
    ['cpu', 'memory', 'pids'].filter((name) => !controllers.includes(name)),
    [],
  );
});
