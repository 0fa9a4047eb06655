import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pod, Service } from '../src/api/types.ts';
import { contains, parseCIDR } from '../src/base/cidr.ts';
import { captured } from './support/capture.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { ingress } from './support/ingress.ts';
import { reaches, webPod, webService } from './support/reaching.ts';
import { storyOf, wayOf } from './support/tracing.ts';

/** Tunnels between nodes that have IPv6 alone: they go over IPv6. */
let cluster: TestCluster;

before(async () => {
  const flags = ['--nodes', '2', '--pod-network', 'vxlan', '--ip-family', 'ipv6', '--uplink', 'none'];
  cluster = await startCluster('t-overlay6', flags);
  await cluster.apply(
    webPod('shell', 'node-1'),
    webPod('web', 'node-2'),
    webService,
    ingress('pods', { 'pods.test': [{ service: 'web' }] }, { annotations: { backends: 'pods' } }),
  );
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
});
after(() => cluster?.down());

const addressOfWeb = async () => (await cluster.get<Pod>('pod', 'web')).status?.podIP ?? '';

test('pods of two nodes see each other untranslated, in packets between the nodes’ IPv6 addresses', async () => {
  const [shell, web] = [await cluster.get<Pod>('pod', 'shell'), await addressOfWeb()];
  const packets = await captured(cluster, 'fabric', `udp port 4789 or host ${web}`, async () => {
    assert.ok((await reaches(cluster, 'pod/shell', `http://[${web}]:8080/`)).includes(`[${shell.status?.podIP}]`));
  });
  const nodeCIDR = parseCIDR(cluster.config.addresses.ipv6?.nodeCIDR ?? '');
  assert.ok(packets.length > 0);
  for (const { source, destination } of packets)
    assert.ok(contains(nodeCIDR, source) && contains(nodeCIDR, destination), `${source} → ${destination}`);
});

test('pods leave room for the outer headers, and what is long arrives', async () => {
  for (const [target, device] of [
    ['pod/shell', 'eth0'],
    ['node/node-1', 'knit-vxlan'],
  ] as const)
    assert.match(await cluster.knit(['exec', target, '--', 'ip', 'link', 'show', 'dev', device]), /mtu 1430/);
  const post = ['curl', '-sS', '-g', '-m', '20', '--data-binary', '@-', `http://[${await addressOfWeb()}]:8080/`];
  assert.match(await cluster.knit(['exec', 'pod/shell', '--', ...post], { input: 'x'.repeat(300_000) }), /^pod +web/);
});

test('nodes, Services, the load balancer and the Ingress proxy reach pods through them', async () => {
  await reaches(cluster, 'node/node-1', `http://[${await addressOfWeb()}]:8080/`);
  await reaches(cluster, 'pod/shell', 'http://web/');
  const [outside] = await eventually('the load balancer', async () => {
    const { status } = await cluster.get<Service>('service', 'web');
    return status?.loadBalancer?.ingress?.length ? status.loadBalancer.ingress : undefined;
  });
  for (let i = 0; i < 8; i++) await reaches(cluster, 'client/alice', `http://[${outside?.ip}]/`);
  const proxy = cluster.config.addresses.ipv6?.ingress;
  await reaches(cluster, 'client/alice', `http://[${proxy}]/`, '-H', 'Host: pods.test');
});

test('a trace reads what tunnels carry, and explain finds nothing wrong', async () => {
  const { request, reply, summary } = await storyOf(cluster, 'pod/shell', 'pod/web');
  const way = 'pod default/shell > node-1 > node-1 > fabric > node-2 > node-2 > pod default/web';
  assert.equal(wayOf(request), way);
  assert.equal(wayOf(reply), way.split(' > ').reverse().join(' > '));
  assert.equal(summary.mtu, 1430);
  const { findings } = JSON.parse(await cluster.knit(['explain', 'pod/shell', 'pod/web', '-o', 'json']));
  assert.deepEqual(findings, []);
});
