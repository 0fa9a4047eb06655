import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Job, Node, Pod } from '../src/api/types.ts';
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

  test('let Jobs succeed', async () => {
    await cluster.apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'soon' },
      spec: { completions: 3, parallelism: 3, template: template('soon', { restartPolicy: 'Never' }) },
    });
    await cluster.kubectl(['wait', '--for=condition=complete', 'job/soon', '--timeout=60s']);
    assert.equal((await cluster.get<Job>('job', 'soon')).status?.succeeded, 3);
  });

  test('are left alone by pods that do not tolerate them', async () => {
    await cluster.kubectl(['run', 'real', '--image=knit.dev/lab:1']);
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/real', '--timeout=60s']);
    assert.equal((await cluster.get<Pod>('pod', 'real')).spec?.nodeName, 'node-1');
  });

  test('say that there is nothing to look into', async () => {
    const [pod] = await podsOf('many');
    const answer = await cluster.tryKubectl(['logs', pod?.metadata?.name ?? '']);
    assert.match(answer.stderr, /nothing runs on hollow-\d+: it is a hollow node/);
  });

  test('let pods go', async () => {
    await cluster.kubectl(['delete', 'deployment', 'many', '--cascade=foreground', '--timeout=110s']);
    assert.equal((await podsOf('many')).length, 0);
  });
});
