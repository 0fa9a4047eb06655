import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { EndpointSlice, Node, Pod } from '../src/api/types.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { commandOf, machineState } from './support/machine.ts';
import { noneFailed, shopImages, shopNodePort, startLoad, startShop } from './support/shop.ts';

const name = 'faults';
let cluster: TestCluster;
let pristine: string[];

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name);
  await startShop(cluster);
});

after(async () => {
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

test('an agent that is killed is started again: no request fails, no container is restarted', async () => {
  await undisturbed(async () => {
    await killed('nodes/node-1/system', /agent\.js/);
    await worksOn('node-1');
  });
});

test('a containerd that is killed is started again: no request fails, no container is restarted', async () => {
  await undisturbed(async () => {
    await killed('nodes/node-2/system', /^containerd --config/);
    await worksOn('node-2');
  });
});

test('the server that is killed is started again: no request fails, no container is restarted', async () => {
  await undisturbed(async () => {
    await killed('server', /server\.js/);
    for (const node of ['node-1', 'node-2', 'node-3']) await worksOn(node);
  });
});

test('all of them, killed at once, are started again: no request fails, no container is restarted', async () => {
  await undisturbed(async () => {
    await Promise.all([
      killed('server', /server\.js/),
      ...['node-1', 'node-2', 'node-3'].flatMap((node) => [
        killed(`nodes/${node}/system`, /agent\.js/),
        killed(`nodes/${node}/system`, /^containerd --config/),
      ]),
    ]);
    for (const node of ['node-1', 'node-2', 'node-3']) await worksOn(node);
  });
});

test('what was acknowledged is there after the server was killed in the middle of kubectl apply', async () => {
  const acknowledged: string[] = [];
  let kills = 0;
  for (let index = 0; index < 24; index++) {
    const object = `kept-${index}`;
    const manifest = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: object },
      data: { index: String(index) },
    };
    const applied = applyUntilAcknowledged(manifest);
    if (index % 8 === 3) {
      kills++;
      await killed('server', /server\.js/);
    }
    await applied;
    acknowledged.push(object);
  }
  assert.equal(kills, 3);
  const { items } = await cluster.get<{ items: Pod[] }>('configmaps');
  const present = new Set(items.map(({ metadata }) => metadata?.name));
  assert.deepEqual(
    acknowledged.filter((object) => !present.has(object)),
    [],
  );
});

test('a node that is stopped leaves the Services, and comes back with its pods', async () => {
  // Not that of redis, of which there is one: without it no visit can be counted.
  const redis = (await shopPods()).find(({ metadata }) => metadata?.labels?.app === 'redis');
  const node = ['node-1', 'node-2', 'node-3'].find((each) => each !== redis?.spec?.nodeName) ?? '';
  const other = redis?.spec?.nodeName ?? '';
  const gone = (await shopPods()).filter(({ spec }) => spec?.nodeName === node);
  await cluster.knit(['node', 'stop', node]);
  await eventually('the node to be known as silent', async () => (await readyStatus(node)) === 'Unknown');
  for (const tier of ['web', 'app']) {
    await eventually(`its pods to be no endpoints of ${tier}`, async () => !(await endpointNodes(tier)).includes(node));
  }
  await nobodyIsSentTo(gone);
  const load = await startLoad(cluster, 'client/alice', outside(other));
  await cluster.knit(['node', 'start', node]);
  await eventually('its pods to be endpoints again', async () => (await endpointNodes('web')).includes(node));
  await noneFailed(load);
  await worksOn(node);
  const pods = async () => (await shopPods()).filter(({ spec }) => spec?.nodeName === node);
  assert.deepEqual((await pods()).map(uidOf).toSorted(), gone.map(uidOf).toSorted());
  // One that is not web's may be told to be started again later.
  await eventually('all of them to be started again', async () =>
    (await pods()).every(({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0),
  );
});

test('a node that is added gets pods, and what ran on a node that is deleted is made anew elsewhere', async () => {
  await cluster.knit(['node', 'add', 'node-4']);
  for (const archive of shopImages()) await cluster.knit(['image', 'load', archive]);
  await worksOn('node-4');
  await cluster.kubectl(['-n', 'shop', 'scale', 'deployment', 'web', '--replicas=4']);
  await eventually('the new node to be an endpoint', async () => (await endpointNodes('web')).includes('node-4'));
  const gone = (await shopPods()).filter(({ spec }) => spec?.nodeName === 'node-4');
  await cluster.knit(['node', 'delete', 'node-4']);
  await eventually('four pods on the nodes that are left', async () => {
    const nodes = await endpointNodes('web');
    return nodes.length === 4 && !nodes.includes('node-4');
  });
  await nobodyIsSentTo(gone);
  const load = await startLoad(cluster, 'client/alice', outside('node-1'));
  await noneFailed(load);
});

/** Runs `trouble` while the shop is asked all the time; no request fails, and the same containers go on. */
async function undisturbed(trouble: () => Promise<void>): Promise<void> {
  const before = await containerIds();
  const load = await startLoad(cluster, 'client/alice', outside('node-1'));
  await trouble();
  await noneFailed(load);
  assert.deepEqual(await containerIds(), before);
}

/** Ends the process whose command line matches, and returns when another one stands in its place. */
async function killed(cgroup: string, command: RegExp): Promise<void> {
  const find = () => processesIn(`knit/${name}/${cgroup}`).find((pid) => command.test(commandOf(pid)));
  const pid = await eventually(`${command} to run`, async () => find());
  process.kill(pid, 'SIGKILL');
  await eventually(`${command} to run again`, async () => ![undefined, pid].includes(find()));
}

/** The node is Ready, a pod made now runs on it, is reached by exec, gives its logs, and goes again. */
async function worksOn(node: string): Promise<void> {
  await eventually(`${node} to be Ready`, async () => (await readyStatus(node)) === 'True');
  const pod = `try-${node}`;
  await eventually(`a pod to be made for ${node}`, async () => {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod },
      spec: {
        nodeName: node,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'try', image: 'knit.dev/lab:1', command: ['sh', '-c', 'echo here; exec sleep 1000'] }],
      },
    });
    return true;
  });
  await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=110s']);
  // Ready says that the container was started, not that its shell has had the time to write.
  await eventually('the log', async () => (await cluster.kubectl(['logs', pod])) === 'here\n');
  assert.equal(await cluster.kubectl(['exec', pod, '--', 'echo', 'yes']), 'yes\n');
  await cluster.kubectl(['delete', 'pod', pod, '--timeout=110s']);
}

/** As a person does it, who sees that a command failed. */
async function applyUntilAcknowledged(manifest: object): Promise<void> {
  await eventually('kubectl apply', async () => (await cluster.apply(manifest)) !== '');
}

async function readyStatus(node: string): Promise<string | undefined> {
  const { status } = await cluster.get<Node>('node', node);
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

async function endpointNodes(service: string): Promise<string[]> {
  const selector = `kubernetes.io/service-name=${service}`;
  const { items } = await cluster.get<{ items: EndpointSlice[] }>('endpointslices', '-n', 'shop', '-l', selector);
  return items
    .flatMap(({ endpoints }) => endpoints ?? [])
    .flatMap(({ nodeName, conditions }) => (conditions?.ready && nodeName ? [nodeName] : []));
}

/** The rules of the other nodes follow the endpoints a moment later. */
async function nobodyIsSentTo(gone: readonly Pod[]): Promise<void> {
  const addresses = gone.map(({ status }) => status?.podIP?.replaceAll('.', '\\.'));
  assert.ok(addresses.length > 0);
  const named = new RegExp(`\\b(${addresses.join('|')})\\b`);
  for (const node of ['node-1', 'node-2', 'node-3'].filter((each) => each !== gone[0]?.spec?.nodeName)) {
    await eventually(`${node} to send nobody to ${addresses}`, async () => {
      const rules = await cluster.knit(['exec', `node/${node}`, '--', 'nft', 'list', 'table', 'ip', 'knit']);
      return !named.test(rules);
    });
  }
}

async function shopPods(): Promise<Pod[]> {
  return (await cluster.get<{ items: Pod[] }>('pods', '-n', 'shop')).items;
}

async function containerIds(): Promise<string[]> {
  const { items } = await cluster.get<{ items: Pod[] }>('pods', '-A');
  return items
    .flatMap(({ metadata, status }) =>
      (status?.containerStatuses ?? []).map((each) => `${metadata?.name} ${each.containerID} ${each.restartCount}`),
    )
    .toSorted();
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

function outside(node: string): string {
  return `http://${cluster.config.nodes.find((each) => each.name === node)?.outsideAddress}:${shopNodePort}/`;
}
