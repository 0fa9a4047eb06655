import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSlices, endpoints, events, nodes, pods, services } from '../../api/resource.ts';
import type { EndpointSlice, Pod, Service } from '../../api/types.ts';
import { startTestCluster, type TestCluster, template } from '../testing.ts';
import { timestamp } from '../time.ts';

const inDefault = { namespace: 'default' };

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  metadata: { name: 'web', namespace: 'default', labels: { tier: 'front' } },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' as never }], ...spec },
});

const podNamed = (name: string): Pod => ({
  metadata: { name, namespace: 'default', labels: { app: 'web' } },
  spec: { ...template('web').spec, containers: template('web').spec?.containers ?? [], nodeName: 'node-1' },
});

async function slicesWhen(cluster: TestCluster, what: string, test: (slices: readonly EndpointSlice[]) => boolean) {
  return cluster.until(what, async () => {
    const options = { ...inDefault, labelSelector: 'kubernetes.io/service-name=web' };
    const slices = await cluster.listed(endpointSlices, options);
    return test(slices) && slices;
  });
}

test('a ready pod is an endpoint with its port, node and conditions', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(services, service());
  await slicesWhen(cluster, 'the empty slice', ([slice]) => slice !== undefined && !slice.endpoints?.length);
  const pod = await cluster.client.create(pods, podNamed('a'));
  await cluster.setReady(pod, true);
  const [slice] = await slicesWhen(
    cluster,
    'an endpoint',
    (all) => all.length === 1 && all[0]?.endpoints?.length === 1,
  );
  assert.deepEqual(slice?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  const [endpoint] = slice?.endpoints ?? [];
  assert.deepEqual(endpoint?.conditions, { ready: true, serving: true, terminating: false });
  assert.equal(endpoint?.nodeName, 'node-1');
  assert.equal(endpoint?.targetRef?.uid, pod.metadata?.uid);
  const { labels, ownerReferences, annotations } = slice?.metadata ?? {};
  assert.equal(labels?.tier, 'front');
  assert.equal(labels?.['endpointslice.kubernetes.io/managed-by'], 'endpointslice-controller.k8s.io');
  assert.equal(ownerReferences?.[0]?.kind, 'Service');
  assert.ok(annotations?.['endpoints.kubernetes.io/last-change-trigger-time']);
});

test('a pod that is not ready serves only where the Service publishes it', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(services, service());
  const pod = await cluster.client.create(pods, podNamed('a'));
  await cluster.setReady(pod, false);
  const [slice] = await slicesWhen(cluster, 'an endpoint', ([first]) => first?.endpoints?.length === 1);
  assert.equal(slice?.endpoints?.[0]?.conditions?.ready, false);
  const v1 = await cluster.until('Endpoints', async () => {
    const [present] = (await cluster.listed(endpoints, inDefault)).filter(({ metadata }) => metadata?.name === 'web');
    return present?.subsets?.length === 1 && present;
  });
  assert.equal(v1.subsets?.[0]?.addresses, undefined);
  assert.equal(v1.subsets?.[0]?.notReadyAddresses?.length, 1);
  const patch = { spec: { publishNotReadyAddresses: true } };
  await cluster.client.patch(services, { ...inDefault, name: 'web' }, 'merge', patch);
  await slicesWhen(cluster, 'ready', ([first]) => first?.endpoints?.[0]?.conditions?.ready === true);
});

test('a pod that ends is terminating in the slice and gone from Endpoints', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(services, service());
  const pod = await cluster.client.create(pods, podNamed('a'));
  await cluster.setReady(pod, true);
  await slicesWhen(cluster, 'an endpoint', ([first]) => first?.endpoints?.[0]?.conditions?.ready === true);
  await cluster.client.delete(pods, { ...inDefault, name: 'a' });
  const [slice] = await slicesWhen(
    cluster,
    'terminating',
    ([first]) => first?.endpoints?.[0]?.conditions?.terminating === true,
  );
  assert.deepEqual(slice?.endpoints?.[0]?.conditions, { ready: false, serving: true, terminating: true });
  await cluster.until('no subset', async () => {
    const present = await cluster.client.get(endpoints, { ...inDefault, name: 'web' });
    return (present.subsets?.length ?? 0) === 0;
  });
});

test('what belongs to a deleted Service goes', async (t) => {
  const cluster = await startTestCluster(t);
  await cluster.client.create(services, service());
  await slicesWhen(cluster, 'the slice', (slices) => slices.length === 1);
  await cluster.client.delete(services, { ...inDefault, name: 'web' });
  await slicesWhen(cluster, 'no slice', (slices) => slices.length === 0);
  await cluster.until('no Endpoints', async () =>
    (await cluster.listed(endpoints, inDefault)).every(({ metadata }) => metadata?.name !== 'web'),
  );
});

test('topology mode Auto gives hints while all nodes have zones, and says when it cannot', async (t) => {
  const cluster = await startTestCluster(t);
  const { client, until } = cluster;
  for (const zone of ['a', 'b']) {
    const labels = { 'topology.kubernetes.io/zone': zone };
    await client.create(nodes, { metadata: { name: `in-${zone}`, labels }, spec: {} });
    const conditions = [
      { type: 'Ready', status: 'True', lastHeartbeatTime: timestamp(), lastTransitionTime: timestamp() },
    ];
    const status = { allocatable: { cpu: '2' }, capacity: { cpu: '2' }, conditions };
    await client.patch(nodes, { name: `in-${zone}` }, 'merge', { status }, 'status');
    const pod = podNamed(zone);
    const made = await client.create(pods, { ...pod, spec: { containers: [], ...pod.spec, nodeName: `in-${zone}` } });
    await cluster.setReady(made, true);
  }
  const annotations = { 'service.kubernetes.io/topology-mode': 'Auto' };
  const auto = service();
  await client.create(services, { ...auto, metadata: { ...auto.metadata, annotations } });
  const hintsOf = (slice: EndpointSlice | undefined) =>
    slice?.endpoints?.map(({ zone, hints }) => `${zone}:${hints?.forZones?.[0]?.name}`).sort();
  await slicesWhen(cluster, 'hints', ([slice]) => hintsOf(slice)?.join() === 'a:a,b:b');
  const told = (reason: string) =>
    until(reason, async () => (await cluster.listed(events, inDefault)).find((event) => event.reason === reason));
  assert.match((await told('TopologyAwareHintsEnabled')).message ?? '', /has been enabled, addressType: IPv4$/);
  await client.patch(nodes, { name: 'in-b' }, 'merge', {
    metadata: { labels: { 'topology.kubernetes.io/zone': null } },
  });
  await slicesWhen(cluster, 'no hints', ([slice]) => hintsOf(slice)?.join() === 'a:undefined,undefined:undefined');
  assert.match((await told('TopologyAwareHintsDisabled')).message ?? '', /^Insufficient Node information/);
});
