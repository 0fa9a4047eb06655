import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerRevisions, daemonSets, events, nodes, pods } from '../../api/resource.ts';
import { node, startTestCluster, type TestCluster, template } from '../testing.ts';
import { nodeOf } from './placement.ts';

const ref = { namespace: 'default', name: 'agent' };
const set = () => ({
  metadata: { ...ref },
  spec: { selector: { matchLabels: { app: 'agent' } }, template: template('agent') },
});

const nodesOf = async (cluster: TestCluster): Promise<string[]> =>
  (await cluster.listed(pods))
    .filter(({ metadata }) => !metadata?.deletionTimestamp)
    .map(nodeOf)
    .sort();

const speak = async (cluster: TestCluster, name: string): Promise<void> => {
  await cluster.client.create(nodes, node(name));
  const conditions = [{ type: 'Ready', status: 'True' }];
  await cluster.client.patch(nodes, { name }, 'merge', { status: { conditions } }, 'status');
};

test('each node has one pod, also nodes that come later', async (t) => {
  const cluster = await startTestCluster(t);
  await speak(cluster, 'a');
  await cluster.client.create(daemonSets, set());
  await cluster.until('one pod', async () => (await nodesOf(cluster)).join() === 'a');
  await speak(cluster, 'b');
  await cluster.until('two pods', async () => (await nodesOf(cluster)).join() === 'a,b');
  await cluster.makeReady();
  const status = await cluster.until('its status', async () => {
    const present = await cluster.client.get(daemonSets, ref);
    return present.status?.numberAvailable === 2 && present.status;
  });
  assert.equal(status.desiredNumberScheduled, 2);
});

test('a new template replaces pods one node after another', async (t) => {
  const cluster = await startTestCluster(t);
  for (const name of ['a', 'b', 'c']) await speak(cluster, name);
  await cluster.client.create(daemonSets, set());
  await cluster.until('three pods', async () => (await nodesOf(cluster)).length === 3);
  await cluster.makeReady();
  await cluster.until(
    'availability',
    async () => (await cluster.client.get(daemonSets, ref)).status?.numberAvailable === 3,
  );
  let fewest = 3;
  await cluster.client.patch(daemonSets, ref, 'merge', { spec: { template: template('agent', 'web:2') } });
  await cluster.until('the new template', async () => {
    const all = (await cluster.listed(pods)).filter(({ metadata }) => !metadata?.deletionTimestamp);
    const ready = all.filter(({ status }) =>
      status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
    );
    fewest = Math.min(fewest, ready.length);
    await cluster.makeReady();
    return all.length === 3 && all.every(({ spec }) => spec?.containers[0]?.image === 'web:2');
  });
  assert.equal(fewest, 2);
});

test('a node that is not selected has none', async (t) => {
  const cluster = await startTestCluster(t);
  await speak(cluster, 'a');
  await speak(cluster, 'b');
  await cluster.client.patch(nodes, { name: 'b' }, 'merge', { metadata: { labels: { disk: 'fast' } } });
  const selecting = set();
  const spec = { ...selecting.spec.template.spec, containers: [], nodeSelector: { disk: 'fast' } };
  const containers = selecting.spec.template.spec?.containers ?? [];
  selecting.spec.template = { ...selecting.spec.template, spec: { ...spec, containers } };
  await cluster.client.create(daemonSets, selecting);
  await cluster.until('one pod', async () => (await nodesOf(cluster)).join() === 'b');
  await cluster.client.patch(nodes, { name: 'b' }, 'merge', { metadata: { labels: { disk: null } } });
  await cluster.until('no pod', async () => (await nodesOf(cluster)).length === 0);
});

test('with a surge the next pod of a node starts before the old one ends', async (t) => {
  const cluster = await startTestCluster(t);
  for (const name of ['a', 'b']) await speak(cluster, name);
  const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  await cluster.client.create(daemonSets, { ...set(), spec: { ...set().spec, updateStrategy } });
  await cluster.until('two pods', async () => (await nodesOf(cluster)).join() === 'a,b');
  await cluster.makeReady();
  await cluster.until(
    'availability',
    async () => (await cluster.client.get(daemonSets, ref)).status?.numberAvailable === 2,
  );
  await cluster.client.patch(daemonSets, ref, 'merge', { spec: { template: template('agent', 'web:2') } });
  let most = 0;
  await cluster.until('the new template', async () => {
    most = Math.max(most, (await nodesOf(cluster)).length);
    const alive = (await cluster.listed(pods)).filter(({ metadata }) => !metadata?.deletionTimestamp);
    const ready = alive.filter(({ status }) => status?.phase === 'Running');
    assert.ok(ready.length >= 2, 'as many serve as before');
    await cluster.makeReady();
    return alive.length === 2 && alive.every(({ spec }) => spec?.containers[0]?.image === 'web:2');
  });
  assert.equal(most, 3);
});

test('templates are kept as revisions, and one may come back', async (t) => {
  const cluster = await startTestCluster(t);
  await speak(cluster, 'a');
  await cluster.client.create(daemonSets, set());
  const revisions = () => cluster.listed(controllerRevisions, { namespace: 'default' });
  const [first] = await cluster.until('the first revision', async () => {
    const all = await revisions();
    return all.length === 1 && all;
  });
  await cluster.client.patch(daemonSets, ref, 'merge', { spec: { template: template('agent', 'web:2') } });
  await cluster.until('the second', async () => (await revisions()).length === 2);
  await cluster.client.patch(daemonSets, ref, 'strategic', first?.data);
  await cluster.until('the first as the third', async () => {
    const all = await revisions();
    return all.find(({ metadata }) => metadata?.name === first?.metadata?.name)?.revision === 3;
  });
  const hash = first?.metadata?.labels?.['controller-revision-hash'];
  await cluster.until('its pod', async () => {
    await cluster.makeReady();
    const all = await cluster.listed(pods);
    return all.length === 1 && all[0]?.metadata?.labels?.['controller-revision-hash'] === hash;
  });
});

test('a pod that has failed is replaced at once, the next one after a second, and each is told of', async (t) => {
  const cluster = await startTestCluster(t);
  await speak(cluster, 'a');
  await cluster.client.create(daemonSets, set());
  const nextTo = (names: readonly string[]) =>
    cluster.until('another pod', async () => {
      const all = await cluster.listed(pods);
      return all.map(({ metadata }) => metadata?.name ?? '').find((name) => !names.includes(name));
    });
  const fail = (name: string, phase: string) =>
    cluster.client.patch(pods, { name, namespace: 'default' }, 'merge', { status: { phase } }, 'status');
  const first = await nextTo([]);
  const began = performance.now();
  await fail(first, 'Failed');
  const second = await nextTo([first]);
  await fail(second, 'Failed');
  const third = await nextTo([first, second]);
  assert.ok(performance.now() - began >= 1_000, 'the node was asked again without a pause');
  await fail(third, 'Succeeded');
  await nextTo([first, second, third]);
  await cluster.until('the events', async () => {
    const told = (await cluster.listed(events)).map(({ reason, message }) => `${reason} ${message}`);
    const about = (what: string, name: string) => `daemon pod default/${name} on node a, will try to ${what} it`;
    return (
      [first, second].every((name) => told.includes(`FailedDaemonPod Found failed ${about('kill', name)}`)) &&
      told.includes(`SucceededDaemonPod Found succeeded ${about('delete', third)}`)
    );
  });
});
