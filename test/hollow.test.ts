import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Job, Node, Pod } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

const hollow = 50;
const there = {
  tolerations: [{ key: 'knit.dev/hollow', operator: 'Exists' }],
  nodeSelector: { 'knit.dev/hollow': 'true' },
};
const template = (app: string, spec: object) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'main', image: 'example.com/never-pulled:1' }], ...there, ...spec },
});

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;

describe('hollow nodes beside a real one', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await startCluster('t-hollow', ['--nodes', '1', '--hollow', String(hollow)]);
  });
  after(() => cluster?.down());

  const podsOf = async (app: string) => (await cluster.get<{ items: Pod[] }>('pods', '-l', `app=${app}`)).items;

  test('are Ready, and can be told from real ones', async () => {
    await eventually('all nodes are Ready', async () => {
      const { items } = await cluster.get<{ items: Node[] }>('nodes', '-l', 'knit.dev/hollow');
      const ready = items.filter(({ status }) =>
        status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      );
      return ready.length === hollow;
    });
    assert.match(await cluster.kubectl(['get', 'node', 'hollow-1']), /hollow-1 +Ready +hollow /);
    assert.match(await cluster.kubectl(['get', 'node', 'node-1']), /node-1 +Ready +<none> /);
    assert.match(
      await cluster.knit(['status']),
      /├── node-1 .*\n +└╌╌ 50 hollow nodes +pretended: nothing runs there +ready/,
    );
  });

  test('run what is sent there: each pod Ready, with an address of its own', async () => {
    await cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'many' },
      spec: { replicas: 500, selector: { matchLabels: { app: 'many' } }, template: template('many', {}) },
    });
    await cluster.kubectl(['rollout', 'status', 'deployment/many', '--timeout=110s']);
    const items = await podsOf('many');
    assert.equal(new Set(items.map(({ status }) => status?.podIP)).size, 500);
    assert.ok(items.every(({ spec }) => spec?.nodeName?.startsWith('hollow-')));
  });

  test('have as many pods again, once each, when 1,000 are deleted at once', async () => {
    await cluster.kubectl(['scale', 'deployment/many', '--replicas=1000']);
    await cluster.kubectl(['rollout', 'status', 'deployment/many', '--timeout=110s']);
    const before = new Set((await podsOf('many')).map(({ metadata }) => metadata?.uid));
    assert.equal(before.size, 1000);
    await cluster.kubectl(['delete', 'pods', '-l', 'app=many', '--wait=false']);
    await waitFor(
      async () => {
        const items = await podsOf('many');
        return items.length === 1000 && items.every((pod) => isReady(pod) && !before.has(pod.metadata?.uid));
      },
      { what: '1,000 other pods', timeoutMs: 180_000, intervalMs: 500 },
    );
  });

  test('let Jobs succeed', async () => {
    await cluster.apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'soon' },
      spec: { completions: 3, parallelism: 3, template: template('soon', { restartPolicy: 'Never' }) },
    });
    await cluster.kubectl(['wait', '--for=condition=complete', 'job/soon', '--timeout=110s']);
    assert.equal((await cluster.get<Job>('job', 'soon')).status?.succeeded, 3);
  });

  test('are left alone by pods that do not tolerate them', async () => {
    await cluster.kubectl(['run', 'real', '--image=knit.dev/lab:1']);
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/real', '--timeout=110s']);
    assert.equal((await cluster.get<Pod>('pod', 'real')).spec?.nodeName, 'node-1');
  });

  test('have a pod each of a DaemonSet that tolerates them, and can be drained of others', async () => {
    const daemon = template('each', {});
    await cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'each' },
      spec: { selector: { matchLabels: { app: 'each' } }, template: daemon },
    });
    await cluster.kubectl(['rollout', 'status', 'daemonset/each', '--timeout=110s']);
    const nodesOf = async (app: string) => (await podsOf(app)).map(({ spec }) => spec?.nodeName ?? '');
    assert.equal(new Set(await nodesOf('each')).size, hollow);
    const [node = ''] = await nodesOf('many');
    await cluster.kubectl(['drain', node, '--ignore-daemonsets', '--timeout=110s']);
    assert.ok((await nodesOf('each')).includes(node));
    assert.ok(!(await nodesOf('many')).includes(node));
    await cluster.kubectl(['uncordon', node]);
    await cluster.kubectl(['delete', 'daemonset', 'each', '--timeout=110s']);
  });

  test('say that there is nothing to look into', async () => {
    // Those that the drained node had may still wait for another one.
    const pod = (await podsOf('many')).find(({ spec }) => spec?.nodeName);
    const answer = await cluster.tryKubectl(['logs', pod?.metadata?.name ?? '']);
    assert.match(answer.stderr, /nothing runs on hollow-\d+: it is a hollow node/);
  });

  test('let pods go', async () => {
    await cluster.kubectl(['delete', 'deployment', 'many', '--cascade=foreground', '--timeout=110s']);
    assert.equal((await podsOf('many')).length, 0);
  });
});
