import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Node, Pod } from '../src/api/types.ts';
import { addressAt, contains, parseCIDR } from '../src/base/cidr.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import {
  askUdp,
  balancedService,
  type Greeting,
  greet,
  labPods,
  podsReady,
  virtualAddress,
} from './support/balanced.ts';
import { captured } from './support/capture.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { ask, ingress } from './support/ingress.ts';
import { tellClients } from './support/outside.ts';
import { serviceObjects, servicePackets } from './support/service-packets.ts';

const name = 'overlay';
const ingressNetns = `knit-${name}.edge.ingress`;
const dual = { ipFamilyPolicy: 'RequireDualStack' };
let cluster: TestCluster;
let addresses: Map<string, string>;
let alice: string;

before(async () => {
  cluster = await startCluster(name, ['--pod-network', 'vxlan', '--ip-family', 'dual', '--uplink', 'none']);
  alice = cluster.config.clients[0]!.address;
  await cluster.apply(
    ...labPods('web', ['node-1', 'node-2']),
    balancedService('cluster', 'web', dual),
    balancedService('local', 'web', { ...dual, externalTrafficPolicy: 'Local' }),
    balancedService('proxied', 'web', dual, { 'knit.dev/load-balancer-ip-mode': 'Proxy' }),
    ...serviceObjects(),
    ingress('pods', { 'pods.test': [{ service: 'cluster' }] }, { annotations: { backends: 'pods' } }),
    ingress('nodes', { 'nodes.test': [{ service: 'cluster' }] }),
  );
  const pods: Pod[] = await podsReady(cluster, 'web');
  addresses = new Map(pods.map(({ metadata, status }) => [metadata?.name ?? '', status?.podIP ?? '']));
});
after(() => cluster?.down());

test('pods of two nodes see each other untranslated, and the fabric carries nothing but tunnelled packets', async () => {
  let seen: readonly Greeting[] = [];
  const packets = await captured(
    cluster,
    'fabric',
    `udp port 4789 or net ${cluster.config.addresses.podCIDR}`,
    async () => {
      seen = await greet(cluster, 'pod/web-1', addressOf('web-2'), 1);
      const clusterIP = await cluster.kubectl(['get', 'service', 'cluster', '-o', 'jsonpath={.spec.clusterIP}']);
      for (const from of ['pod/web-1', 'node/node-3'])
        await eventually(
          `${from} to reach both`,
          async () => podsOf(await greet(cluster, from, clusterIP, 24)).size === 2,
        );
    },
  );
  assert.equal(seen[0]?.client.split(':')[0], addressOf('web-1'));
  const nodeCIDR = parseCIDR(cluster.config.addresses.nodeCIDR);
  assert.ok(packets.length > 0);
  for (const { source, destination } of packets)
    assert.ok(contains(nodeCIDR, source) && contains(nodeCIDR, destination), `${source} → ${destination}`);
  const routes = await run('ip', ['-n', `knit-${name}.fabric`, 'route']);
  assert.doesNotMatch(routes, new RegExp(`^${addressOf('web-1').replace(/\.\d+$/, '')}\\.`, 'm'));
});

test('a pod’s packets leave room for the outer headers, and the largest of them pass whole', async () => {
  for (const [target, device] of [
    ['pod/web-1', 'eth0'],
    ['node/node-1', 'knit-vxlan'],
  ] as const)
    assert.match(await cluster.knit(['exec', target, '--', 'ip', 'link', 'show', 'dev', device]), /mtu 1450/);
  const [from, to] = [addressOf('web-1'), addressOf('web-2')];
  const packets = await captured(cluster, 'node-2', `udp port 9000 and src ${from}`, async () => {
    assert.match((await askUdp(cluster, 'pod/web-1', to, 1, { bytes: 1450 - 28 }))[0] ?? '', /^web-2 /);
  });
  assert.deepEqual(new Set(packets.map(({ length }) => length)), new Set([1450]));
  assert.match((await askUdp(cluster, 'pod/web-1', to, 1, { bytes: 30_000 }))[0] ?? '', /^web-2 /);
});

for (const { family, filter } of [
  { family: 4, filter: 'icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 4' },
  { family: 6, filter: 'icmp6 and ip6[40] = 2' },
] as const)
  test(`IPv${family}: who sends packets that are too large for pods is told so, about what it sent`, async () => {
    const address = await virtualAddress(cluster, 'cluster', family);
    const bytes = 1500 - (family === 4 ? 28 : 48);
    const told = await captured(cluster, 'client.alice', filter, () =>
      askUdp(cluster, 'client/alice', address, 8, { bytes, timeoutMs: 1000 }),
    );
    const [first] = told.flatMap(({ icmp }) => icmp ?? []);
    assert.deepEqual([first?.mtu, first?.about?.destination], [1450, address]);
    assert.match(
      await cluster.knit(['exec', 'client/alice', '--', 'ip', 'route', 'get', address]),
      /mtu 1450/,
      'and it knows it from now on',
    );
  });

test('what is sent in smaller pieces arrives, however long: requests and datagrams', async () => {
  const [, inside6] = (await podsReady(cluster, 'web'))[1]?.status?.podIPs ?? [];
  const [outside4, outside6] = [await virtualAddress(cluster, 'cluster'), await virtualAddress(cluster, 'cluster', 6)];
  for (const [from, to] of [
    ['pod/web-1', `${addressOf('web-2')}:8080`],
    ['pod/web-1', `[${inside6?.ip}]:8080`],
    ['client/alice', outside4],
    ['client/alice', `[${outside6}]`],
  ] as const) {
    const post = ['curl', '-sS', '-m', '20', '--data-binary', '@-', `http://${to}/`];
    const page = await cluster.knit(['exec', from, '--', ...post], { input: 'x'.repeat(300_000) });
    assert.match(page, /^pod +web-/, `${from} to ${to}`);
  }
  const datagrams = await askUdp(cluster, 'client/alice', outside4, 24, { bytes: 1500 - 28 });
  assert.ok(!datagrams.includes('no answer'));
});

test('a node reaches pods of another one under its address in the overlay, and is answered through it', async () => {
  const [greeting] = await greet(cluster, 'node/node-3', addressOf('web-2'), 1);
  const vxlan = await cluster.knit(['exec', 'node/node-3', '--', 'ip', '-br', 'addr', 'show', 'dev', 'knit-vxlan']);
  assert.match(vxlan, new RegExp(` ${greeting?.client.split(':')[0]}/32`));
});

describe('Services', () => {
  servicePackets({ cluster: () => cluster, proxyMode: 'nftables', podNetwork: 'vxlan' });
});

test('load balancers: Cluster makes its second hop through the tunnel, Local none; TCP and UDP', async () => {
  const [any, local] = [await virtualAddress(cluster, 'cluster'), await virtualAddress(cluster, 'local')];
  const tunnels = new Set(await tunnelEnds(0));
  const asked = {
    any: await greet(cluster, 'client/alice', any, 48),
    local: await greet(cluster, 'client/alice', local, 48),
    anyUdp: seenBy(await askUdp(cluster, 'client/alice', any, 48)),
    localUdp: seenBy(await askUdp(cluster, 'client/alice', local, 48)),
  };
  for (const seen of [asked.any, asked.anyUdp]) {
    const clients = clientsOf(seen);
    assert.equal(podsOf(seen).size, 2);
    assert.ok(clients.delete(alice), 'some come to a node with the pod');
    assert.ok(clients.size > 0 && clients.isSubsetOf(tunnels), `others by a tunnel: ${[...clients]}`);
  }
  for (const seen of [asked.local, asked.localUdp]) {
    assert.equal(podsOf(seen).size, 2);
    assert.deepEqual([...clientsOf(seen)], [alice]);
  }
});

test('the second hop is a tunnelled packet between nodes; the answer comes back the same way', async () => {
  const address = await virtualAddress(cluster, 'cluster');
  const packets = await captured(cluster, 'fabric', 'udp port 4789', () => greet(cluster, 'client/alice', address, 96));
  const ways = new Set(packets.map(({ source, destination }) => `${source} ${destination}`));
  const [first = '', second = '', third = ''] = cluster.config.nodes.map((node) => node.address);
  // node-3 has no pod: what comes to it goes to another node in any case.
  for (const node of [first, second])
    assert.ok(ways.has(`${third} ${node}`) && ways.has(`${node} ${third}`), [...ways].join('\n'));
});

test('load balancers over IPv6', async () => {
  const ask6 = async (name: string) =>
    await cluster.knit([
      ...['exec', 'client/alice', '--', 'curl', '-sS', '-g', '-m', '20'],
      ...Array.from({ length: 48 }, () => `http://[${address6[name]}]/`),
    ]);
  const address6: Record<string, string> = {
    cluster: await virtualAddress(cluster, 'cluster', 6),
    local: await virtualAddress(cluster, 'local', 6),
  };
  const clients = (pages: string) => new Set(pages.matchAll(/^client +\[(\S+)\]:\d+$/gm).map((match) => match[1]));
  const alice6 = cluster.config.clients[0]?.ipv6;
  assert.deepEqual([...clients(await ask6('local'))], [alice6]);
  const any = clients(await ask6('cluster'));
  assert.ok(any.delete(alice6));
  assert.ok(any.size > 0 && any.isSubsetOf(new Set(await tunnelEnds(1))), [...any].join());
});

test('with ipMode Proxy clients, and pods whose way leads to their own node, come to both pods', async () => {
  const proxied = await virtualAddress(cluster, 'proxied');
  for (const from of ['client/alice', 'pod/web-1'])
    await eventually(`${from} to reach both`, async () => podsOf(await greet(cluster, from, proxied, 48)).size === 2);
});

test('a pod leaves under its node’s outside address; without masquerade it comes as far as the fabric', async (t) => {
  t.after(await tellClients(['nsenter', `--net=/run/netns/knit-${name}.client.alice`], alice));
  const askAlice = async () =>
    await cluster.tryKnit(['exec', 'pod/web-1', '--', 'curl', '-sS', '-m', '5', `http://${alice}:8080/`]);
  assert.equal((await askAlice()).stdout.trim(), `you are ${cluster.config.nodes[0]?.outsideAddress}`);
  const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'kube-system', name: 'ip-masq-agent' } };
  await cluster.apply({ ...config, data: { config: `nonMasqueradeCIDRs: [${alice}/32]` } });
  await eventually('the pod to get no answer', async () => (await askAlice()).code === 28);
  const packets = await captured(cluster, 'fabric', 'tcp port 8080', askAlice);
  assert.deepEqual(new Set(packets.map(({ source }) => source)), new Set([addressOf('web-1')]));
  await cluster.kubectl(['-n', 'kube-system', 'delete', 'configmap', 'ip-masq-agent']);
  await eventually('the pod to be answered again', async () => (await askAlice()).code === 0);
});

test('the Ingress proxy reaches pods as an end of the tunnels, and nodes beside them', async () => {
  const { addresses } = cluster.config;
  const inside = addresses.nodeCIDR.replace(/\.\d+\/\d+$/, '.2');
  const asked = async (host: string) => {
    const pages: string[] = [];
    for (let i = 0; i < 24; i++) pages.push((await ask(addresses.ingress, host)).text);
    return {
      pods: new Set(pages.map((page) => /^pod +(\S+)$/m.exec(page)?.[1])),
      clients: new Set(pages.map((page) => /^client +(\S+):\d+$/m.exec(page)?.[1])),
    };
  };
  for (const host of ['pods.test', 'nodes.test'])
    await eventually(`${host} to answer`, async () => (await ask(addresses.ingress, host)).status === 200);
  const direct = await asked('pods.test');
  assert.deepEqual([direct.pods.size, [...direct.clients]], [2, [inside]]);
  const byNodes = await asked('nodes.test');
  assert.equal(byNodes.pods.size, 2);
  assert.ok(
    byNodes.clients.isSubsetOf(new Set([addresses.ingress, ...(await tunnelEnds(0))])),
    [...byNodes.clients].join(),
  );
  const url = `http://[${addresses.ipv6?.ingress}]/`;
  const overIPv6 = ['curl', '-sSf', '-g', '-m', '5', '-H', 'Host: pods.test', url];
  assert.match(await cluster.knit(['exec', 'client/alice', '--', ...overIPv6]), /^pod +web-/);
});

test('who asks through a tunnel for a pod that is gone hears so at once, however often', async () => {
  const { items } = await cluster.get<{ items: Node[] }>('nodes');
  const nobodys = items.flatMap(({ spec }) => spec?.podCIDRs ?? []).map((cidr) => addressAt(parseCIDR(cidr), 200));
  for (const address of nobodys) {
    const isIPv6 = address.includes(':');
    const url = `http://${isIPv6 ? `[${address}]` : address}:8080/`;
    // In IPv6 the kernel heeds what it hears of a second packet, after a second.
    const urls = Array.from({ length: isIPv6 ? 1 : 10 }, () => url);
    // By silence curl ends with 28.
    const { code } = await tryRun('ip', ['netns', 'exec', ingressNetns, 'curl', '-s', '-g', '-m', '5', ...urls]);
    assert.equal(code, 7, address);
  }
});

test('the API server reaches pods by way of their nodes', async () => {
  assert.match(
    await cluster.kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/web-2:8080/proxy/']),
    /^pod +web-2/,
  );
});

test('a node that is added is reached, and one that is deleted is forgotten', async () => {
  await cluster.knit(['node', 'add', 'node-4']);
  await cluster.apply(...labPods('late', ['node-4']));
  const [pod] = await podsReady(cluster, 'late');
  const greeting = await eventually('it to be reached', async () => {
    const [one] = await greet(cluster, 'pod/web-1', pod?.status?.podIP ?? '', 1);
    return one?.pod === 'late-1' && one;
  });
  assert.equal(greeting.client.split(':')[0], addressOf('web-1'));
  await cluster.knit(['node', 'delete', 'node-4']);
  await eventually('its tunnel to be gone', async () => {
    const entries = await run('bridge', ['-n', `knit-${name}.node-1`, 'fdb', 'show', 'dev', 'knit-vxlan']);
    return entries.trim().split('\n').length === 3;
  });
});

function podsOf(greetings: readonly Pick<Greeting, 'pod'>[]): Set<string> {
  return new Set(greetings.map(({ pod }) => pod));
}

function clientsOf(greetings: readonly Pick<Greeting, 'client'>[]): Set<string> {
  return new Set(greetings.map(({ client }) => client.split(':')[0] ?? ''));
}

/** Of answers of the UDP echo. */
function seenBy(answers: readonly string[]): Pick<Greeting, 'pod' | 'client'>[] {
  return answers.map((answer) => {
    const [pod = '', client = ''] = answer.split(' ');
    return { pod, client };
  });
}

/** The nodes' addresses in the overlay: of IPv4 (0) or IPv6 (1). */
async function tunnelEnds(family: 0 | 1): Promise<string[]> {
  const { items } = await cluster.get<{ items: Node[] }>('nodes');
  return items.map(({ spec }) => spec?.podCIDRs?.[family]?.split('/')[0] ?? '');
}

function addressOf(pod: string): string {
  return addresses.get(pod) ?? assert.fail(`no pod ${pod}`);
}
