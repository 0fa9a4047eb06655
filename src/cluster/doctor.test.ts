import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { cgroupCheck, overlayCheck } from './doctor.ts';

const folder = mkdtempSync(join(tmpdir(), 'knit-t-doctor-'));
after(() => rmSync(folder, { recursive: true }));

/** A folder with these files below it. */
function tree(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(folder, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('cgroups are good in any version that has controllers for cpu, memory and pids', () => {
  const v2 = tree('v2', { 'cgroup.controllers': 'cpuset cpu io memory hugetlb pids rdma misc\n' });
  const v1 = { 'cpu,cpuacct/tasks': '', 'memory/tasks': '', 'pids/tasks': '' };
  const found = (root: string) => [cgroupCheck(root).state, cgroupCheck(root).found];
  assert.deepEqual(found(v2), ['ok', 'version 2']);
  assert.deepEqual(found(tree('v1', v1)), ['ok', 'version 1']);
  const hybrid = tree('hybrid', { ...v1, 'unified/cgroup.controllers': '\n' });
  assert.deepEqual(found(hybrid), ['ok', 'version 1, with version 2 beside it']);
});

test('a kernel without a controller that pods need is told of, with the way to have it', () => {
  const check = cgroupCheck(tree('no-memory', { 'cgroup.controllers': 'cpuset cpu io pids\n' }));
  assert.deepEqual([check.state, check.found], ['broken', 'version 2, without the controller memory']);
  assert.match(check.mend ?? '', /cgroup_enable=memory/);
  assert.equal(cgroupCheck(join(folder, 'none')).found, 'not mounted');
});

test('overlayfs may be a module that nobody has used yet', () => {
  const filesystems = 'nodev\tproc\n\text4\n';
  const modules = { 'lib/modules/6.1/modules.dep': 'kernel/fs/overlayfs/overlay.ko:\n' };
  const at = (name: string, files: Record<string, string>) => overlayCheck(tree(name, files), '6.1').state;
  assert.equal(at('loaded', { 'proc/filesystems': 'nodev\toverlay\n' }), 'ok');
  assert.equal(at('module', { 'proc/filesystems': filesystems, ...modules }), 'ok');
  assert.equal(at('other-kernel', { 'proc/filesystems': filesystems, 'lib/modules/5.15/modules.dep': '' }), 'broken');
  assert.equal(at('without', { 'proc/filesystems': filesystems }), 'broken');
});
