import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Node } from '../../src/api/types.ts';
import { eventually, type TestCluster } from './cluster.ts';

/**
 * What Services do with packets, as tests of a live dual-stack cluster with pods `web-1` on node-1 and `web-2` on
 * node-2: from a pod, a node, a pod in its node's network and from outside, in both families.
 */
export interface ServicePackets {
  readonly cluster: () => TestCluster;
  readonly proxyMode: 'nftables' | 'iptables';
  readonly podNetwork: 'routes' | 'vxlan';
}

const families = ['ipv4', 'ipv6'] as const;
type Family = (typeof families)[number];

/** What {@link servicePackets} asks for beside `web-1` and `web-2`, which {@link webPods} makes where a test has none. */
export function serviceObjects(): object[] {
  return [
    pod('shell', 'node-1'),
    pod('host', 'node-1', true),
    service('web', { type: 'NodePort' }),
    service('near', { internalTrafficPolicy: 'Local' }),
    service('kept', { type: 'NodePort', externalTrafficPolicy: 'Local' }),
    service('sticky', { sessionAffinity: 'ClientIP' }),
    service('empty', { type: 'NodePort', selector: { app: 'nobody' } }),
  ];
}

export const webPods = (): object[] => [pod('web-1', 'node-1'), pod('web-2', 'node-2')];

const pod = (podName: string, nodeName: string, hostNetwork = false) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: podName, labels: { app: podName.startsWith('web') ? 'web' : podName } },
  spec: {
    nodeName,
    hostNetwork,
    containers: [
      hostNetwork
        ? { name: 'lab', image: 'knit.dev/lab:1', command: ['sleep', '3600'] }
        : { name: 'lab', image: 'knit.dev/lab:1', ports: [{ containerPort: 8080 }] },
    ],
  },
});

export const service = (serviceName: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: serviceName },
  spec: {
    selector: { app: 'web' },
    ipFamilyPolicy: 'RequireDualStack',
    ports: [{ port: 80, targetPort: 8080 }],
    ...spec,
  },
});

export function servicePackets({ cluster, proxyMode, podNetwork }: ServicePackets): void {
  // A pod is told ready before its server listens, and before any node's kernel leads there.
  before(async () => {
    for (const family of families) {
      const [web, near, kept, sticky] = await Promise.all(
        (['web', 'near', 'kept', 'sticky'] as const).map((name) => addressesOf(cluster(), name, family)),
      );
      const often = (host = '') => Array.from({ length: 8 }, () => host);
      for (const [from, hosts] of [
        ['pod/shell', [...often(web?.clusterIP), `${near?.clusterIP}`, `${sticky?.clusterIP}`]],
        ['client/alice', [...often(web?.nodePort), `${kept?.nodePort}`]],
        ['node/node-2', often(web?.clusterIP)],
      ] as const)
        await eventually(`${from} to reach all pods by ${family}`, async () => {
          const pods = (await answersOf(cluster(), from, hosts)).map((said) => said.split(' ')[0]);
          return [...new Set(pods)].sort().join() === 'web-1,web-2';
        });
    }
  });

  for (const family of families) {
    /** node-1, as pods of other nodes see it. */
    const nodeInside = () => (podNetwork === 'vxlan' ? tunnelEnd(cluster(), family) : nodeAddress(cluster(), family));
    const alice = () =>
      (family === 'ipv4' ? cluster().config.clients[0]?.address : cluster().config.clients[0]?.ipv6) ?? '';

    test(`${family}: a pod and a node reach pods of both nodes; pods see the client's own address`, async () => {
      const { clusterIP } = await addressesOf(cluster(), 'web', family);
      const client = await podAddress(cluster(), 'shell', family);
      assert.deepEqual(await answers(cluster(), 'pod/shell', clusterIP), [
        `web-1 sees ${client}`,
        `web-2 sees ${client}`,
      ]);
      const [first = '', second = '', ...more] = await answers(cluster(), 'node/node-1', clusterIP);
      assert.deepEqual([first.split(' ')[0], second, more], ['web-1', `web-2 sees ${await nodeInside()}`, []]);
    });

    test(`${family}: a pod reaches itself through its Service`, async () => {
      const { clusterIP } = await addressesOf(cluster(), 'near', family);
      const [only = '', ...more] = await answers(cluster(), 'pod/web-1', clusterIP, 4);
      assert.match(only, /^web-1 sees /);
      assert.deepEqual(more, []);
    });

    test(`${family}: from outside through a node port, where the second hop hides the client`, async () => {
      const { nodePort } = await addressesOf(cluster(), 'web', family);
      const [first, second] = await answers(cluster(), 'client/alice', nodePort);
      if (proxyMode === 'nftables') assert.equal(first, `web-1 sees ${alice()}`);
      else assert.match(first ?? '', /^web-1 sees /);
      assert.equal(second, `web-2 sees ${await nodeInside()}`);
    });

    test(`${family}: policies Local keep to the node, and outside clients their address`, async () => {
      assert.deepEqual(
        await answers(cluster(), 'client/alice', (await addressesOf(cluster(), 'kept', family)).nodePort),
        [`web-1 sees ${alice()}`],
      );
      const client = await podAddress(cluster(), 'shell', family);
      assert.deepEqual(
        await answers(cluster(), 'pod/shell', (await addressesOf(cluster(), 'near', family)).clusterIP),
        [`web-1 sees ${client}`],
      );
    });

    test(`${family}: affinity keeps a client with one pod`, async () => {
      assert.equal(
        (await answers(cluster(), 'pod/shell', (await addressesOf(cluster(), 'sticky', family)).clusterIP)).length,
        1,
      );
    });

    test(`${family}: without endpoints everybody is refused at once`, async () => {
      const { clusterIP, nodePort } = await addressesOf(cluster(), 'empty', family);
      for (const [from, host] of [
        ['pod/shell', clusterIP],
        ['node/node-2', clusterIP],
        ['client/alice', nodePort],
      ] as const)
        assert.deepEqual(await answers(cluster(), from, host), ['refused'], `${from} to ${host}`);
    });
  }

  test('a pod in its node’s network finds Services by their address, a pod by their name, in both families', async () => {
    const { clusterIP } = await addressesOf(cluster(), 'web', 'ipv6');
    for (const url of [`http://${clusterIP}/`, `http://${(await addressesOf(cluster(), 'web', 'ipv4')).clusterIP}/`])
      assert.match(await cluster().kubectl(['exec', 'host', '--', 'wget', '-qO-', url]), /^pod +web-/);
    const looked = await cluster().kubectl(['exec', 'shell', '--', 'nslookup', 'web.default.svc.cluster.local']);
    for (const family of families)
      assert.ok(
        looked.includes((await addressesOf(cluster(), 'web', family)).clusterIP.replaceAll(/[[\]]/g, '')),
        looked,
      );
  });

  test('knit services shows each address and where it leads', async () => {
    const shown = await cluster().knit(['services', 'web', '--node', 'node-1']);
    const { clusterIP } = await addressesOf(cluster(), 'web', 'ipv6');
    assert.ok(shown.includes(`${clusterIP}:80`), shown);
    assert.match(shown, /any node address:\d+ +NodePort/);
    assert.match(shown, /├─ 50 % .*:8080 +default\/web-\d +(here|node-2)/);
    const { services } = JSON.parse(await cluster().knit(['services', '-o', 'json']));
    assert.ok(services.some((each: { key: string }) => each.key === 'default/empty'));
  });
}

interface Addresses {
  readonly clusterIP: string;
  readonly nodePort: string;
}

async function addressesOf(cluster: TestCluster, serviceName: string, family: Family): Promise<Addresses> {
  const { spec } = await cluster.get<{ spec: { clusterIPs: string[]; ports: { nodePort?: number }[] } }>(
    'service',
    serviceName,
  );
  const [node] = cluster.config.nodes;
  const [clusterIP, outside] =
    family === 'ipv4' ? [spec.clusterIPs[0], node?.outsideAddress] : [`[${spec.clusterIPs[1]}]`, `[${node?.ipv6}]`];
  return { clusterIP: `${clusterIP}`, nodePort: `${outside}:${spec.ports[0]?.nodePort}` };
}

/** Who answers forty connections (enough for each of two pods to get some), each as `web-1 sees ADDRESS`, sorted; `refused` and `silent` where nobody does. */
async function answers(cluster: TestCluster, from: string, host: string, count = 40): Promise<string[]> {
  const hosts = Array.from({ length: count }, () => host);
  return [...new Set(await answersOf(cluster, from, hosts))].sort();
}

async function answersOf(cluster: TestCluster, from: string, hosts: readonly string[]): Promise<string[]> {
  const urls = hosts.map((host) => `http://${host}/`);
  const curl = ['curl', '-s', '-g', '-m', '5', '-w', 'exit code %{exitcode}\n---\n', ...urls];
  // curl itself exits as its last connection did.
  const { stdout } = await cluster.tryKnit(['exec', from, '--', ...curl]);
  const pages = stdout.split('---\n').slice(0, -1);
  return pages.map((page) => {
    const [, pod, client] = /^pod +(\S+)\n.*^client +(\S+):\d+\n/ms.exec(page) ?? [];
    if (pod) return `${pod} sees ${client?.replaceAll(/[[\]]/g, '')}`;
    return page === 'exit code 7\n' ? 'refused' : 'silent';
  });
}

async function podAddress(cluster: TestCluster, podName: string, family: Family): Promise<string> {
  const { status } = await cluster.get<{ status: { podIPs: { ip: string }[] } }>('pod', podName);
  return status.podIPs[family === 'ipv4' ? 0 : 1]?.ip ?? '';
}

async function nodeAddress({ config }: TestCluster, family: Family): Promise<string> {
  const [node] = config.nodes;
  return (family === 'ipv4' ? node?.address : node?.ipv6) ?? '';
}

/** The address of node-1 in the overlay. */
async function tunnelEnd(cluster: TestCluster, family: Family): Promise<string> {
  const { spec } = await cluster.get<Node>('node', 'node-1');
  return spec?.podCIDRs?.[family === 'ipv4' ? 0 : 1]?.split('/')[0] ?? '';
}
