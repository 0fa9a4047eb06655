import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Event, Pod } from '../src/api/types.ts';
import { run } from '../src/kernel/run.ts';
import {
  askUdp,
  balancedService,
  type Greeting,
  greet,
  hold,
  kernelFlows,
  labPods,
  podsReady,
  virtualAddress,
} from './support/balanced.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { ingress } from './support/ingress.ts';
import { freePort } from './support/ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'knit-test-l4-'));
let cluster: TestCluster;
let pods: Pod[];
let alice: string;
let published: { readonly service: number; readonly ingress: number };
let nodeAddress: Map<string, string>;

before(async () => {
  const file = join(folder, 'cluster.yaml');
  const lines = [
    'apiVersion: knit.dev/v1alpha1',
    'kind: Cluster',
    'network: { ipFamily: dual, loadBalancerCIDR: 198.19.0.160/28 }',
  ];
  writeFileSync(file, lines.join('\n'));
  published = { service: await freePort(), ingress: await freePort() };
  cluster = await startCluster('l4', [
    ...['-f', file, '--publish', `${published.service}:service/local:http`],
    ...['--publish', `${published.ingress}:ingress/web`],
  ]);
  alice = cluster.config.clients[0]!.address;
  nodeAddress = new Map(cluster.config.nodes.map(({ name, address }) => [name, address]));
  const dual = { ipFamilyPolicy: 'PreferDualStack' };
  await cluster.apply(
    ...labPods('web', ['node-1', 'node-2']),
    balancedService('cluster', 'web', dual),
    balancedService('local', 'web', dual, { 'service.beta.kubernetes.io/external-traffic': 'OnlyLocal' }),
    ...labPods('uneven', ['node-1', 'node-2', 'node-2']),
    balancedService('uneven', 'uneven', { externalTrafficPolicy: 'Local' }),
    balancedService('proxied', 'web', dual, { 'knit.dev/load-balancer-ip-mode': 'Proxy' }),
  );
  pods = await podsReady(cluster, 'web');
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster?.down();
});

test('Cluster: any node takes a connection; one without the pod makes a second hop and hides the client', async () => {
  const address = await reachable('cluster');
  await using held = await hold(cluster, 'client/alice', address, 48);
  const seen = { kept: 0, hidden: 0 };
  for (const greeting of held.greetings) {
    const [seenAs = '', seenPort = ''] = greeting.client.split(':');
    if (seenAs === alice) {
      seen.kept++;
      const [flow] = await flowsOfAlice(greeting.node, { port: greeting.port, to: address });
      // DNAT to a pod of its own, and nothing else.
      assert.deepEqual(flow, {
        ...flow,
        source: alice,
        destination: address,
        replySource: addressOf(greeting.pod),
        replyDestination: alice,
      });
    } else {
      seen.hidden++;
      const between = nodeOf(seenAs);
      assert.notEqual(between, greeting.node, 'the first node is another one');
      const flow = await translatedTo(between, seenPort);
      assert.deepEqual(flow, {
        ...flow,
        source: alice,
        destination: address,
        replySource: addressOf(greeting.pod),
        replyDestination: seenAs,
      });
    }
  }
  assert.ok(seen.kept > 0 && seen.hidden > 0, JSON.stringify(seen));
  assert.equal(new Set(held.greetings.map(({ pod }) => pod)).size, 2);
});

test('the fabric changes nothing in a packet: it marks the connection with its node', async () => {
  const address = await virtualAddress(cluster, 'local');
  await using held = await hold(cluster, 'client/alice', address, 8);
  for (const { port, node } of held.greetings) {
    const [flow] = await flowsOfAlice('fabric', { port, to: address });
    const mark = Number(nodeAddress.get(node)?.split('.')[3]);
    assert.deepEqual(flow, {
      source: alice,
      destination: address,
      replySource: address,
      replyDestination: alice,
      mark,
    });
  }
});

test('Local: only nodes with pods, one hop, and the client’s address is kept', async () => {
  const address = await reachable('local');
  const greetings = await greet(cluster, 'client/alice', address, 32);
  assert.deepEqual([...new Set(greetings.map(({ client }) => client.split(':')[0]))], [alice]);
  assert.deepEqual(new Set(greetings.map(({ node }) => node)), new Set(['node-1', 'node-2']));
  for (const { port } of greetings.slice(0, 4)) {
    assert.deepEqual(await flowsOfAlice('node-3', { port, to: address }), []);
  }
});

test('UDP goes the same ways', async () => {
  const clientsOf = (answers: string[]) => new Set(answers.map((answer) => answer.split(' ')[1]?.split(':')[0]));
  const local = await askUdp(cluster, 'client/alice', await virtualAddress(cluster, 'local'), 16);
  assert.deepEqual([...clientsOf(local)], [alice]);
  const any = await askUdp(cluster, 'client/alice', await virtualAddress(cluster, 'cluster'), 48);
  assert.ok(clientsOf(any).has(alice) && clientsOf(any).has(nodeAddress.get('node-3')), [...clientsOf(any)].join(' '));
});

test('IPv6 goes the same ways', async () => {
  const page = async (name: string) =>
    await client('curl', '-sS', '-m', '20', `http://[${await virtualAddress(cluster, name, 6)}]/`);
  await eventually('the page', async () => await page('local'));
  assert.match(await page('local'), new RegExp(`client +\\[${cluster.config.clients[0]?.ipv6}\\]`));
});

test('with ipMode Proxy the fabric translates to node ports, also for a pod whose way leads to its own node', async () => {
  const address = await reachable('proxied');
  assert.doesNotMatch(
    await cluster.knit(['exec', 'node/node-1', '--', 'nft', 'list', 'map', 'ip', 'knit', 'vip']),
    new RegExp(`${address} `),
  );
  const greetings = await greet(cluster, 'pod/web-1', address, 96);
  const outside = cluster.config.nodes.find(({ name }) => name === 'node-1')?.outsideAddress ?? '';
  assert.ok(
    greetings.some(({ client, node }) => node === 'node-1' && client.startsWith(`${outside}:`)),
    JSON.stringify(greetings),
  );
  assert.equal(new Set(greetings.map(({ pod }) => pod)).size, 2);
});

test('the same over IPv6: clients keep their address, and a node that is led to itself sees the fabric', async () => {
  const address = await virtualAddress(cluster, 'proxied', 6);
  const seen = async (target: string) => {
    const urls = Array.from({ length: 96 }, () => `http://[${address}]/`);
    const pages = await cluster.knit(['exec', target, '--', 'curl', '-sS', '-g', '-m', '20', ...urls]);
    const clients = [...pages.matchAll(/^node +(\S+)\nclient +\[(\S+)\]:\d+$/gm)].map(([, node, client]) => ({
      node,
      client,
    }));
    assert.equal(clients.length, 96, target);
    return clients;
  };
  const inside = cluster.config.nodes.map((node) => node.ipv6);
  const outside = await seen('client/alice');
  const ofAlice = outside.filter(({ client }) => client === cluster.config.clients[0]?.ipv6);
  assert.deepEqual(new Set(ofAlice.map(({ node }) => node)), new Set(['node-1', 'node-2']));
  assert.ok(outside.every(({ client }) => ofAlice.some((each) => each.client === client) || inside.includes(client)));
  const own = await seen('pod/web-1');
  assert.ok(own.some(({ node, client }) => node === 'node-1' && client === cluster.config.addresses.ipv6?.fabric));
});

test('a pod reaches its own cluster’s virtual address without leaving its node for it', async () => {
  const greetings = await greet(cluster, 'pod/web-1', await virtualAddress(cluster, 'local'), 32);
  assert.equal(new Set(greetings.map(({ pod }) => pod)).size, 2);
});

test('a port that is not served is refused at once, and an address that nobody has leads nowhere', async () => {
  for (const name of ['cluster', 'local', 'proxied']) {
    const refused = client('curl', '-sS', '-m', '10', `http://${await virtualAddress(cluster, name)}:81/`);
    await assert.rejects(refused, /exited with 7/, name);
  }
  const way = inFabric('ip', 'route', 'get', '198.19.0.170', 'from', alice, 'iif', 'c-alice');
  await assert.rejects(way, /Invalid argument/, 'a blackhole');
});

test('the machine’s own user reaches virtual addresses too', async () => {
  assert.match(
    await run('curl', ['-sS', '-m', '20', `http://${await virtualAddress(cluster, 'local')}/`]),
    /^pod +web-/,
  );
});

test('knit balance: measured shares are those that the plan expects, for either policy', async () => {
  await podsReady(cluster, 'uneven');
  await reachable('uneven');
  for (const policy of ['Local', 'Cluster'] as const) {
    await cluster.kubectl([
      'patch',
      'service',
      'uneven',
      '-p',
      JSON.stringify({ spec: { externalTrafficPolicy: policy } }),
    ]);
    const expected = policy === 'Local' ? [0.5, 0.25, 0.25] : [1 / 3, 1 / 3, 1 / 3];
    await eventually(`${policy} to be in force`, async () => {
      const report = JSON.parse(await cluster.knit(['balance', 'service/uneven', '--requests', '200', '-o', 'json']));
      const pods: { endpoint: string; share: number }[] = report.now.pods;
      const measured = pods.map(
        ({ endpoint }) => (report.measured.endpoints[endpoint] ?? 0) / report.measured.connections,
      );
      const near = (shares: readonly number[], by: number) =>
        shares.every((share, index) => Math.abs(share - expected[index]!) < by);
      assert.ok(
        near(
          pods.map(({ share }) => share),
          0.01,
        ),
        JSON.stringify(pods),
      );
      const secondHop = report.measured.secondHops / report.measured.connections;
      return near(measured, 0.15) && Math.abs(secondHop - report.now.secondHop) < 0.15;
    });
  }
  const drawn = await cluster.knit(['balance', '--kubeconfig', cluster.kubeconfig, 'service/uneven']);
  assert.match(drawn, /uneven-1 +node-1 +33 % █+ +50 % █+\n/);
  assert.match(drawn, /uneven-1 gets 50 % where 33 % would be fair.*topologySpreadConstraints/);
});

test('ports of this machine’s loopback lead to what they publish: a Service, and an Ingress beside it', async () => {
  await cluster.apply(ingress('web', { '': [{ service: 'local' }] }));
  for (const port of [published.service, published.ingress]) {
    const page = await eventually(`port ${port}`, () => run('curl', ['-sSf', '-m', '5', `http://127.0.0.1:${port}/`]));
    assert.match(page, /^pod +web-/);
  }
});

test('a client that is added has an address of its own, by which servers know it, until it is deleted', async () => {
  await cluster.knit(['client', 'add', 'bob']);
  const clients = JSON.parse(await cluster.knit(['client', 'list', '-o', 'json']));
  const bob: string = clients.find((each: { name: string }) => each.name === 'bob').address;
  const [greeting] = await greet(cluster, 'client/bob', await virtualAddress(cluster, 'local'), 1);
  assert.equal(greeting?.client.split(':')[0], bob);
  await assert.rejects(cluster.knit(['client', 'add', 'bob']), /a client named bob already/);
  await assert.rejects(cluster.knit(['client', 'add', 'Bad Name']), /clients\[0\]: "Bad Name": must be lower-case/);
  await cluster.knit(['client', 'delete', 'bob']);
  await assert.rejects(cluster.knit(['client', 'delete', 'bob']), /no client named bob/);
  assert.doesNotMatch(await inFabric('ip', '-br', 'link'), /c-bob/);
});

test('addresses: what is asked for is given, another class is left alone, and an event says when there is none', async () => {
  const asked = '198.19.0.170';
  await cluster.apply(
    balancedService('asked', 'web', { loadBalancerIP: asked }),
    balancedService('twice', 'web', { loadBalancerIP: asked }),
    balancedService('other', 'web', { loadBalancerClass: 'example.com/other' }),
    ...Array.from({ length: 14 }, (_, index) => balancedService(`many-${index}`, 'web')),
  );
  assert.equal(await virtualAddress(cluster, 'asked'), asked);
  await eventually('the events', async () => {
    const { items } = await cluster.get<{ items: Event[] }>(
      'events',
      '--field-selector',
      'reason=SyncLoadBalancerFailed',
    );
    const messages = items.map(({ message }) => message).join('\n');
    return /is that of Service default\/asked/.test(messages) && /no address is free in/.test(messages);
  });
  assert.deepEqual((await cluster.get<{ status: unknown }>('service', 'other')).status, { loadBalancer: {} });
  await cluster.kubectl(['delete', 'service', 'asked', ...Array.from({ length: 14 }, (_, index) => `many-${index}`)]);
  assert.equal(await virtualAddress(cluster, 'twice'), asked, 'what is free again is given');
  await cluster.kubectl(['patch', 'service', 'twice', '-p', '{"spec":{"type":"ClusterIP","loadBalancerIP":null}}']);
  await eventually('the address to be taken back', async () => {
    const { status } = await cluster.get<{ status: { loadBalancer?: { ingress?: unknown } } }>('service', 'twice');
    return status.loadBalancer?.ingress === undefined;
  });
});

/** The address, when connections to it are answered. */
async function reachable(name: string): Promise<string> {
  const address = await virtualAddress(cluster, name);
  await eventually(`${name} to answer`, async () => await client('curl', '-sS', '-m', '2', `http://${address}/`));
  return address;
}

/** The flow of this node whose answers come to `port` of its address. */
async function translatedTo(node: string, port: string) {
  return (await flowsOfAlice(node, { replyPort: Number(port) }))[0];
}

/** Others may have the same port. */
async function flowsOfAlice(where: string, by: Parameters<typeof kernelFlows>[3]) {
  return (await kernelFlows(cluster, where, 'tcp', by)).filter(({ source }) => source === alice);
}

function addressOf(pod: Greeting['pod']): string {
  return pods.find(({ metadata }) => metadata?.name === pod)?.status?.podIP ?? '';
}

function nodeOf(address: string): string {
  const [name] = [...nodeAddress].find(([, each]) => each === address) ?? [];
  return name ?? assert.fail(`${address} is no node's`);
}

async function client(...command: string[]): Promise<string> {
  return await cluster.knit(['exec', 'client/alice', '--', ...command]);
}

async function inFabric(...command: string[]): Promise<string> {
  return await run('ip', ['netns', 'exec', 'knit-l4.fabric', ...command]);
}
