import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, createCluster, type Service } from 'knit';

let cluster: Cluster;

const manifests = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: knit.dev/lab:1, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
`;

before(async () => {
  cluster = await createCluster({ nodes: 2 });
  await cluster.apply(manifests);
  await cluster.wait({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, 'Available');
});
after(() => cluster?.delete());

test('somebody outside reaches the Service', async () => {
  const balanced = ({ status }: Service) => status?.loadBalancer?.ingress?.[0]?.ip !== undefined;
  const service = await cluster.wait<Service>({ apiVersion: 'v1', kind: 'Service', name: 'web' }, balanced);
  const address = service.status?.loadBalancer?.ingress?.[0]?.ip;
  const { stdout } = await cluster.exec('client/alice', [
    'curl',
    '-sf',
    '--retry',
    '5',
    '--retry-all-errors',
    `http://${address}/`,
  ]);
  assert.match(stdout, /^pod +web-/);
});

test('the way of a packet is as planned, and nobody stands in it', async () => {
  const { stories } = await cluster.trace('client/alice', 'service/default/web');
  assert.deepEqual(stories[0]?.differences, []);
  assert.equal(stories[0]?.end.kind, 'delivered');
  assert.equal((await cluster.explain('client/alice', 'service/default/web')).verdict, 'allowed');
});

test('two pods on two nodes share the load evenly', async () => {
  const { now } = await cluster.balance('default', 'web');
  assert.deepEqual(
    now.pods.map(({ share }) => share),
    [0.5, 0.5],
  );
});

test('what cannot be is explained', async () => {
  const { verdict, findings } = await cluster.explain('node/node-1', 'service/default/wbe');
  assert.equal(verdict, 'denied');
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['SVC_NOT_FOUND'],
  );
});
