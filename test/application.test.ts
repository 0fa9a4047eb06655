import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Deployment, Pod, Service } from '../src/api/types.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { machineState } from './support/machine.ts';
import { noneFailed, shopIsThere, shopNodePort, startLoad, startShop } from './support/shop.ts';

const name = 'application';
let cluster: TestCluster;
let pristine: string[];

interface Answer {
  readonly visits: number;
  readonly pod: string;
  readonly version: string;
}

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name);
  await startShop(cluster);
});

after(async () => {
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

test('each tier is spread over the nodes', async () => {
  for (const tier of ['app', 'web']) {
    const nodes = (await podsOf(tier)).map(({ spec }) => spec?.nodeName);
    assert.deepEqual(nodes.toSorted(), ['node-1', 'node-2', 'node-3'], tier);
  }
});

test('the shop answers by its DNS name in a pod, by its address on a node, and through each node’s port from outside', async () => {
  const [{ metadata: { name: pod = '' } = {} } = {}] = await podsOf('redis');
  for (const host of ['web', 'web.shop', 'web.shop.svc', 'web.shop.svc.cluster.local']) {
    assert.equal((await ask(`pod/shop/${pod}`, `http://${host}/`)).version, '1');
  }
  for (const node of cluster.config.nodes) {
    assert.equal((await ask(`node/${node.name}`, await byAddress())).version, '1');
    assert.equal((await ask('client/alice', `http://${node.outsideAddress}:${shopNodePort}/`)).version, '1');
  }
});

test('every visit is counted once, whichever pod it reaches', async () => {
  const urls = `${outside()}?visit=[1-30]`;
  const text = await cluster.knit(['exec', 'client/alice', '--', 'curl', '-sSf', '-m', '20', '-w', '\\n', urls]);
  const answers: Answer[] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const first = answers[0]?.visits ?? 0;
  assert.deepEqual(
    answers.map(({ visits }) => visits),
    Array.from({ length: 30 }, (_, index) => first + index),
  );
  assert.equal(new Set(answers.map(({ pod }) => pod)).size, 3);
});

test('a rolling update of each tier fails no request', async () => {
  const loads = await Promise.all([
    startLoad(cluster, 'client/alice', outside()),
    startLoad(cluster, 'node/node-2', await byAddress()),
  ]);
  await cluster.kubectl(['-n', 'shop', 'set', 'env', 'deployment/app', 'VERSION=2']);
  await cluster.kubectl(['-n', 'shop', 'rollout', 'restart', 'deployment/web']);
  await shopIsThere(cluster);
  await eventually(
    'the old pods to be gone',
    async () => (await podsOf('app')).length === 3 && (await podsOf('web')).length === 3,
  );
  for (const load of loads) await noneFailed(load, 200);
  assert.equal((await ask('client/alice', outside())).version, '2');
});

test('scaling up and down fails no request', async () => {
  const load = await startLoad(cluster, 'client/alice', outside());
  const scale = async (replicas: number) => {
    await cluster.kubectl(['-n', 'shop', 'scale', 'deployment', 'app', 'web', `--replicas=${replicas}`]);
    await eventually(`${replicas} pods a tier`, async () => {
      const deployments = await cluster.get<{ items: Deployment[] }>('deployments', '-n', 'shop');
      const counts = deployments.items
        .filter(({ metadata }) => metadata?.name !== 'redis')
        .map(({ status }) => status?.readyReplicas);
      return counts.every((count) => count === replicas) && (await podsOf('app')).length === replicas;
    });
  };
  await scale(6);
  await scale(2);
  await noneFailed(load);
});

test('a rollback brings the former version back', async () => {
  const load = await startLoad(cluster, 'client/alice', outside());
  await cluster.kubectl(['-n', 'shop', 'rollout', 'undo', 'deployment/app']);
  await shopIsThere(cluster);
  await eventually('the former version alone', async () => (await podsOf('app')).length === 2);
  assert.equal((await ask('client/alice', outside())).version, '1');
  await noneFailed(load);
});

const outside = () => `http://${cluster.config.nodes[0]?.outsideAddress}:${shopNodePort}/`;

async function byAddress(): Promise<string> {
  const { spec } = await cluster.get<Service>('service', 'web', '-n', 'shop');
  return `http://${spec?.clusterIP}/`;
}

async function ask(from: string, url: string): Promise<Answer> {
  return JSON.parse(await cluster.knit(['exec', from, '--', 'curl', '-sSf', '-m', '20', url]));
}

async function podsOf(tier: string): Promise<Pod[]> {
  return (await cluster.get<{ items: Pod[] }>('pods', '-n', 'shop', '-l', `app=${tier}`)).items;
}
