import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Pod } from '../src/api/types.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { netnsFolder } from '../src/kernel/netns.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually, requireRoot, startCluster, type TestCluster } from './support/cluster.ts';
import { machineState } from './support/machine.ts';
import { freePort } from './support/ports.ts';

const name = 'lifecycle';
const second = 'lifecycle-2';
const knit = join(import.meta.dirname, '../bin/knit');
let pristine: string[];

before(async () => {
  requireRoot();
  await run(knit, ['down', '--name', name]);
  await run(knit, ['down', '--name', second]);
  pristine = await machineState(name);
});
after(() => run(knit, ['down', '--name', name]));

test('knit down leaves nothing behind', async () => {
  const cluster = await startCluster(name);
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1', '--replicas=4']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
  assert.ok(!existsSync(netnsFolder) || readdirSync(netnsFolder).length > 0, `${netnsFolder} was left empty`);
});

test('knit down leaves nothing behind after a SIGKILL of everything', async () => {
  const cluster = await startCluster(name, ['--nodes', '2']);
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1', '--replicas=2']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  killEverything();
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

test('knit up after a SIGKILL of everything brings the cluster back with its objects, pods and images', async () => {
  const cluster = await startCluster(name, await ownPort());
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1', '--replicas=3']);
  await cluster.kubectl(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  const before = await podsByNode(cluster);
  killEverything();
  await cluster.knit(['up', '--no-kubeconfig']);
  // Counted from when the cluster is said to be up.
  await eventually('each pod to run again', async () => (await readyRestarts(cluster)).join() === '1,1,1');
  assert.deepEqual(await podsByNode(cluster), before);
  const serviceAddress = await cluster.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
  const page = await eventually('the Service to answer', () =>
    cluster.knit(['exec', 'node/node-1', '--', 'curl', '-sf', '-m', '1', `http://${serviceAddress}/`]),
  );
  assert.match(page, /^pod {6}web-/);
  await cluster.down();
});

test('knit down --keep and knit up give the same cluster again', async () => {
  const cluster = await startCluster(name, ['--nodes', '1', ...(await ownPort())]);
  await cluster.kubectl(['create', 'configmap', 'kept', '--from-literal=a=b']);
  const uid = await cluster.kubectl(['get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.uid}']);
  await cluster.knit(['down', '--keep']);
  assert.equal(processesIn(`knit/${name}`).length, 0);
  await cluster.knit(['up', '--no-kubeconfig']);
  assert.equal(await cluster.kubectl(['get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.uid}']), uid);
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

test('a cluster that runs is not started again, and a failed start leaves nothing', async () => {
  const cluster = await startCluster(name, ['--nodes', '1']);
  const again = await tryRun(knit, ['up', '--name', name]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /runs already[\s\S]*knit status --name lifecycle/);
  const port = String(cluster.config.apiPort);
  const taken = await tryRun(knit, ['up', '--name', second, '--api-port', port, '--no-kubeconfig']);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, new RegExp(`port ${port} is taken by .*pid \\d+[\\s\\S]*--api-port`));
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

/** A cluster that is down does not hold its port: the usual one may be another test file's when it comes back. */
async function ownPort(): Promise<string[]> {
  return ['--api-port', String(await freePort())];
}

async function podsByNode(cluster: TestCluster): Promise<string[]> {
  const path = '{range .items[*]}{.metadata.uid} {.spec.nodeName}{"\\n"}{end}';
  return (await cluster.kubectl(['get', 'pods', '-l', 'app=web', '-o', `jsonpath=${path}`])).split('\n').toSorted();
}

/** How often the container of each ready pod was started again. */
async function readyRestarts(cluster: TestCluster): Promise<number[]> {
  const { items } = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=web');
  return items.flatMap(({ status }) =>
    (status?.containerStatuses ?? []).flatMap(({ ready, restartCount }) => (ready ? [restartCount] : [])),
  );
}

/** Everything at once, keepers first to go by chance: what a machine that loses power does, but for the files. */
function killEverything(): void {
  for (const pid of processesIn(`knit/${name}`)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it ended with its parent
    }
  }
}
