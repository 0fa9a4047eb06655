import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { after, before, test } from 'node:test';
import type { EndpointSlice, Node, Pod, Service } from '../src/api/types.ts';
import { run } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { ingress } from './support/ingress.ts';
import { answerOf, reaches, webPod, webService } from './support/reaching.ts';

/** A cluster whose Kubernetes has IPv6 alone: what it shows, and that its Services are reached from everywhere. */
let cluster: TestCluster;
let web: Service;

before(async () => {
  cluster = await startCluster('t-ipv6', ['--nodes', '2', '--hollow', '3', '--ip-family', 'ipv6', '--uplink', 'none']);
  await cluster.apply(
    webPod('web-1', 'node-1'),
    webPod('web-2', 'node-2'),
    webPod('shell', 'node-1'),
    webService,
    ingress('web', { 'web.test': [{ service: 'web' }] }),
    ...['hollow-1', 'hollow-2'].map((node) => {
      const { metadata, spec, ...rest } = webPod(`on-${node}`, node);
      return { ...rest, metadata, spec: { ...spec, tolerations: [{ operator: 'Exists' }] } };
    }),
  );
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
  web = await eventually('the load balancer', async () => {
    const service = await cluster.get<Service>('service', 'web');
    return service.status?.loadBalancer?.ingress?.length ? service : undefined;
  });
});
after(() => cluster?.down());

test('hollow nodes and their pods have addresses that lead nowhere, each its own', async () => {
  const { items: nodes } = await cluster.get<{ items: Node[] }>('nodes', '-l', 'knit.dev/hollow');
  assert.equal(nodes.length, 3);
  const { items: pods } = await cluster.get<{ items: Pod[] }>('pods', '-l', 'app in (on-hollow-1,on-hollow-2)');
  const addresses = [
    ...nodes.flatMap(({ status }) => status?.addresses?.filter(({ type }) => type === 'InternalIP') ?? []),
    ...pods.flatMap(({ status }) => status?.podIPs?.map(({ ip }) => ({ address: ip })) ?? []),
  ].map(({ address }) => address ?? '');
  assert.equal(new Set(addresses).size, 5);
  for (const address of addresses) assert.match(address, /^100::/);
  assert.match(await run('ip', ['-n', 'knit-t-ipv6.fabric', '-6', 'route']), /^unreachable 100::\/64/m);
});

test('Kubernetes has no IPv4 address anywhere', async () => {
  const { items: nodes } = await cluster.get<{ items: Node[] }>('nodes');
  const { items: pods } = await cluster.get<{ items: Pod[] }>('pods', '-A');
  const { items: services } = await cluster.get<{ items: Service[] }>('services', '-A');
  const { items: slices } = await cluster.get<{ items: EndpointSlice[] }>('endpointslices', '-A');
  const shown = [
    ...nodes
      .flatMap(({ status }) => status?.addresses?.filter(({ type }) => type === 'InternalIP') ?? [])
      .map(({ address }) => address),
    ...pods.flatMap(({ status }) => [status?.hostIP ?? '', ...(status?.podIPs ?? []).map(({ ip }) => ip)]),
    ...services.flatMap(({ spec }) => spec?.clusterIPs ?? []),
    ...slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)),
    ...(web.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? ''),
  ];
  assert.ok(shown.length > 12, shown.join());
  assert.deepEqual(
    shown.filter((address) => !isIPv6(address)),
    [],
  );
});

test('a pod finds a Service by its name, a node by its address', async () => {
  assert.match(await cluster.kubectl(['exec', 'shell', '--', 'wget', '-qO-', 'http://web/']), /^pod +web-/);
  assert.match(await reaches(cluster, 'node/node-1', `http://[${web.spec?.clusterIP}]/`), /^pod +web-/);
});

test('outside clients reach it through the load balancer, a node port and the Ingress proxy', async () => {
  const [node] = cluster.config.nodes;
  assert.match(
    await reaches(cluster, 'client/alice', `http://[${web.status?.loadBalancer?.ingress?.[0]?.ip}]/`),
    /^pod +web-/,
  );
  assert.match(
    await reaches(cluster, 'client/alice', `http://[${node?.ipv6}]:${web.spec?.ports?.[0]?.nodePort}/`),
    /^pod +web-/,
  );
  const proxy = `http://[${cluster.config.addresses.ipv6?.ingress}]/`;
  assert.match(await reaches(cluster, 'client/alice', proxy, '-H', 'host: web.test'), /^pod +web-/);
});

test('a policy shuts pods out, and the kubelet never', async () => {
  const url = `http://[${web.spec?.clusterIP}]/`;
  await cluster.apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'nobody' },
    spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] },
  });
  await eventually('the pod to be shut out', async () => (await answerOf(cluster, 'pod/shell', url)) === undefined);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=10s']);
  await cluster.kubectl(['delete', 'networkpolicy', 'nobody']);
  await reaches(cluster, 'pod/shell', url);
});

test('logs, exec and a trace go the same way', async () => {
  assert.match(await cluster.kubectl(['logs', 'web-2']), /port 9000/);
  assert.match(await cluster.kubectl(['exec', 'web-2', '--', 'hostname']), /^web-2/);
  const traced = await cluster.knit(['trace', 'client/alice', 'service/default/web']);
  assert.match(traced, /as predicted/);
});

test('the tour shows its journeys over IPv6', async () => {
  const parts: { journey: number; ok: boolean; to?: string }[] = JSON.parse(
    await cluster.knit(['tour', '-o', 'json', '0', '1', '3', '5', '7', '9', '10']),
  );
  assert.deepEqual(
    parts.map(({ journey, ok }) => [journey, ok]),
    [0, 1, 3, 5, 7, 9, 10].map((journey) => [journey, true]),
  );
  assert.match(parts[4]?.to ?? '', /^\[.*:.*\]:8080$/);
});
