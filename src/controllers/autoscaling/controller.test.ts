import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { apiServices, deployments, events, horizontalPodAutoscalers, services } from '../../api/resource.ts';
import type { HorizontalPodAutoscaler } from '../../api/types.ts';
import { deployment, startTestCluster, type TestCluster } from '../testing.ts';

type Metrics = NonNullable<NonNullable<HorizontalPodAutoscaler['spec']>['metrics']>;

const ref = { namespace: 'default', name: 'web' };
const custom = '/apis/custom.metrics.k8s.io/v1beta2';
const external = '/apis/external.metrics.k8s.io/v1beta1';

/** Two ready pods, and another API server that serves metrics: `answers` by the end of the path that is asked for. */
async function start(t: TestContext, answers: Readonly<Record<string, unknown>>): Promise<TestCluster> {
  const cluster = await startTestCluster(t);
  const { client, server, until } = cluster;
  const asked = (url: string): unknown =>
    url === custom || url === external
      ? { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: url.slice('/apis/'.length), resources: [] }
      : answers[url];
  const other = createServer({ ...(await server.certificate('metrics', [], ['metrics.default.svc'])) }, (req, res) => {
    const body = asked(decodeURIComponent(req.url ?? ''));
    res.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    const missing = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404, message: 'nobody measures that' };
    res.end(JSON.stringify(body ?? missing));
  });
  await new Promise<void>((resolve) => other.listen(0, 'localhost', resolve));
  t.after(() => {
    other.closeAllConnections();
    other.close();
  });
  await client.create(services, {
    metadata: { name: 'metrics', namespace: 'default' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  });
  for (const [group, version] of [
    ['custom.metrics.k8s.io', 'v1beta2'],
    ['external.metrics.k8s.io', 'v1beta1'],
  ] as const) {
    await client.create(apiServices, {
      metadata: { name: `${version}.${group}` },
      spec: {
        group,
        version,
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service: { namespace: 'default', name: 'metrics', port: (other.address() as AddressInfo).port },
        caBundle: Buffer.from(server.ca).toString('base64'),
      },
    });
    await until(`${group} is served`, async () => (await client.raw('GET', '/apis')).includes(`"name":"${group}"`));
  }
  await client.create(deployments, deployment('web', 2));
  await until('two ready pods', async () => {
    await cluster.makeReady();
    return (await client.get(deployments, ref)).status?.readyReplicas === 2;
  });
  return cluster;
}

const autoscale = (cluster: TestCluster, metrics: Metrics) =>
  cluster.client.create(horizontalPodAutoscalers, {
    metadata: { ...ref },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      maxReplicas: 9,
      behavior: { scaleUp: { policies: [{ type: 'Pods', value: 9, periodSeconds: 15 }] } },
      metrics,
    },
  });

const scaledTo = (cluster: TestCluster, replicas: number) =>
  cluster.until(`${replicas} replicas`, async () => {
    const { spec } = await cluster.client.get(deployments, ref);
    return spec?.replicas === replicas;
  });

const status = (cluster: TestCluster, test: (status: NonNullable<HorizontalPodAutoscaler['status']>) => boolean) =>
  cluster.until('the status', async () => {
    const { status: found } = await cluster.client.get(horizontalPodAutoscalers, ref);
    return found && test(found) && found;
  });

test('a workload is scaled by what another server measures of an object', async (t) => {
  const cluster = await start(t, {
    [`${custom}/namespaces/default/services/metrics/requests?metricLabelSelector=verb=get`]: {
      items: [{ describedObject: { kind: 'Service', name: 'metrics' }, value: '5k' }],
    },
  });
  const metric = { name: 'requests', selector: { matchLabels: { verb: 'get' } } };
  const describedObject = { apiVersion: 'v1', kind: 'Service', name: 'metrics' };
  await autoscale(cluster, [
    { type: 'Object', object: { describedObject, metric, target: { type: 'Value', value: '2k' } } },
  ]);
  await scaledTo(cluster, 5);
  const { currentMetrics } = await status(cluster, ({ currentMetrics: found }) => found !== undefined);
  assert.deepEqual(currentMetrics, [{ type: 'Object', object: { describedObject, metric, current: { value: '5k' } } }]);
  const told = await cluster.until('the event', async () =>
    (await cluster.listed(events, { namespace: 'default' })).find(({ reason }) => reason === 'SuccessfulRescale'),
  );
  assert.equal(told.message, 'New size: 5; reason: Service metric requests above target');
});

test('a workload is scaled by a number from outside the cluster, which its pods share', async (t) => {
  const items = [{ value: '20' }, { value: '15' }];
  const cluster = await start(t, { [`${external}/namespaces/default/queue`]: { items } });
  const target = { type: 'AverageValue', averageValue: '5' };
  await autoscale(cluster, [{ type: 'External', external: { metric: { name: 'queue' }, target } }]);
  await scaledTo(cluster, 7);
});

test('a metric that nobody serves is told of, and scales nothing', async (t) => {
  const cluster = await start(t, {});
  const target = { type: 'AverageValue', averageValue: '5' };
  await autoscale(cluster, [{ type: 'Pods', pods: { metric: { name: 'hits' }, target } }]);
  const why = 'unable to get metric hits: unable to fetch metrics from custom metrics API: nobody measures that';
  const { conditions } = await status(cluster, ({ conditions: found }) =>
    Boolean(found?.some(({ type }) => type === 'ScalingActive')),
  );
  const active = conditions?.find(({ type }) => type === 'ScalingActive');
  assert.deepEqual(
    [active?.status, active?.reason, active?.message],
    ['False', 'FailedGetPodsMetric', `the HPA was unable to compute the replica count: ${why}`],
  );
  const told = await cluster.until('the events', async () => {
    const found = (await cluster.listed(events, { namespace: 'default' })).filter(
      ({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler',
    );
    return found.length >= 2 && found.map(({ reason, message }) => `${reason} ${message}`).sort();
  });
  assert.deepEqual(told, [
    `FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to get pods metric value: ${why}`,
    `FailedGetPodsMetric ${why}`,
  ]);
  assert.equal((await cluster.client.get(deployments, ref)).spec?.replicas, 2);
});
