import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clusterPaths, stateRoot } from '../src/cluster/paths.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { run } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { commandOf, machineState } from './support/machine.ts';

const name = 'full-disk';
/** Where others look for clusters. */
const shown = clusterPaths(name).state;
let disk: string;
let cluster: TestCluster;
let pristine: string[];

before(async () => {
  pristine = await machineState(name);
  // Not named after knit: tests beside this one count such mounts as leftovers of theirs.
  disk = mkdtempSync(join(tmpdir(), `${name}-`));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=512m', 'tmpfs', disk]);
  process.env.KNIT_STATE_DIR = join(disk, 'state');
  [cluster] = await Promise.all([startCluster(name, ['--nodes', '1']), show(join(disk, 'state', name))]);
});

/** Lets clusters beside this one see as soon as it is there which addresses and interface are its own. */
async function show(state: string): Promise<void> {
  await eventually('the cluster to be written down', async () => existsSync(join(state, 'cluster.json')));
  mkdirSync(stateRoot, { recursive: true });
  rmSync(shown, { force: true });
  symlinkSync(state, shown);
}

after(async () => {
  await cluster.down();
  rmSync(shown);
  await run('umount', [disk]);
  rmSync(disk, { recursive: true });
  assert.deepEqual(await machineState(name), pristine);
});

test('on a full disk writes are refused with the reason, and reads and pods go on', async () => {
  await cluster.kubectl(['create', 'configmap', 'before', '--from-literal=a=b']);
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  fill();
  // A little room may be left in blocks that the store has already.
  const refused = await eventually('a write to be refused', async () => {
    const metadata = { name: `try-${Date.now()}` };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: 'x'.repeat(50_000) } };
    const written = await cluster.tryKubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
    return written.code === 0 ? undefined : written;
  });
  assert.match(
    refused.stderr,
    /^Error from server \(InsufficientStorage\): .*the disk that holds the cluster store is full/,
  );
  assert.equal(await data('before'), 'b');
  assert.match(await cluster.kubectl(['get', 'pods']), /web-\S+ +1\/1 +Running +0/);
});

test('nothing that was acknowledged is lost when the server is started on a full disk', async () => {
  const server = processesIn(`knit/${name}/server`).find((pid) => /server\.js/.test(commandOf(pid)));
  assert.ok(server);
  process.kill(server, 'SIGKILL');
  assert.equal(await eventually('the server to answer', () => data('before')), 'b');
});

test('writing goes on by itself when there is space again', async () => {
  rmSync(join(disk, 'filling'));
  await eventually(
    'a write',
    async () => (await cluster.tryKubectl(['create', 'configmap', 'after', '--from-literal=a=c'])).code === 0,
  );
  assert.equal(await data('after'), 'c');
  await cluster.kubectl(['scale', 'deployment', 'web', '--replicas=2']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  assert.match(await cluster.kubectl(['get', 'nodes']), /node-1 +Ready/);
});

/** Leaves not a block. */
function fill(): void {
  const filling = openSync(join(disk, 'filling'), 'w');
  for (let size = 2 ** 22; size >= 2 ** 12; ) {
    try {
      writeSync(filling, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      size /= 2;
    }
  }
  closeSync(filling);
}

async function data(configMap: string): Promise<string> {
  return await cluster.kubectl(['get', 'configmap', configMap, '-o', 'jsonpath={.data.a}']);
}
