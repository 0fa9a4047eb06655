import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { clusterPaths } from '../src/cluster/paths.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { soak } from './support/soak.ts';

/**
 * Services on a live dual-stack cluster: from a pod, a node, a pod in its node's network and from outside, in both
 * families and both proxy modes, with real pods behind them.
 */
const name = 't-services';
let cluster: TestCluster;

const families = ['ipv4', 'ipv6'] as const;
type Family = (typeof families)[number];

before(async () => {
  cluster = await startCluster(name, ['--nodes', '2', '--ip-family', 'dual', '--uplink', 'none']);
  await cluster.apply(
    pod('web-1', 'node-1'),
    pod('web-2', 'node-2'),
    pod('shell', 'node-1'),
    pod('host', 'node-1', true),
  );
  await cluster.apply(
    service('web', { type: 'NodePort' }),
    service('near', { internalTrafficPolicy: 'Local' }),
    service('kept', { type: 'NodePort', externalTrafficPolicy: 'Local' }),
    service('sticky', { sessionAffinity: 'ClientIP' }),
    service('empty', { type: 'NodePort', selector: { app: 'nobody' } }),
  );
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
});
after(() => cluster?.down());

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

const service = (serviceName: string, spec: object) => ({
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

const commandOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');

interface Addresses {
  readonly clusterIP: string;
  readonly nodePort: string;
}

async function addressesOf(serviceName: string, family: Family): Promise<Addresses> {
  const { spec } = await cluster.get<{ spec: { clusterIPs: string[]; ports: { nodePort?: number }[] } }>(
    'service',
    serviceName,
  );
  const [node] = cluster.config.nodes;
  const [clusterIP, outside] =
    family === 'ipv4' ? [spec.clusterIPs[0], node?.outsideAddress] : [`[${spec.clusterIPs[1]}]`, `[${node?.ipv6}]`];
  return { clusterIP: `${clusterIP}`, nodePort: `${outside}:${spec.ports[0]?.nodePort}` };
}

/** Who answers ten connections, each as `web-1 sees ADDRESS`, sorted; `refused` and `silent` where nobody does. */
async function answers(from: string, host: string, count = 10): Promise<string[]> {
  const ask = `curl -s -m 1 'http://${host}/' | tr '\\n' ' '; echo " end \${PIPESTATUS[0]}"`;
  const script = `for i in $(seq ${count}); do ${ask}; done`;
  const lines = (await cluster.knit(['exec', from, '--', 'bash', '-c', script])).trim().split('\n');
  const said = lines.map((line) => {
    const [, answered, client] = /pod +(\S+) .*client +(\S+):\d+ /.exec(line) ?? [];
    if (answered) return `${answered} sees ${client?.replaceAll(/[[\]]/g, '')}`;
    return line.endsWith('end 7') ? 'refused' : 'silent';
  });
  return [...new Set(said)].sort();
}

const podAddress = async (podName: string, family: Family) => {
  const { status } = await cluster.get<{ status: { podIPs: { ip: string }[] } }>('pod', podName);
  return status.podIPs[family === 'ipv4' ? 0 : 1]?.ip ?? '';
};

function packets(mode: 'nftables' | 'iptables'): void {
  for (const family of families) {
    const inside = () => cluster.config.nodes.map((node) => (family === 'ipv4' ? node.address : node.ipv6) ?? '');
    const alice = () =>
      (family === 'ipv4' ? cluster.config.clients[0]?.address : cluster.config.clients[0]?.ipv6) ?? '';

    test(`${family}: a pod and a node reach pods of both nodes; pods see the client's own address`, async () => {
      const { clusterIP } = await addressesOf('web', family);
      const client = await podAddress('shell', family);
      assert.deepEqual(await answers('pod/shell', clusterIP), [`web-1 sees ${client}`, `web-2 sees ${client}`]);
      const [first = '', second = '', ...more] = await answers('node/node-1', clusterIP);
      assert.deepEqual([first.split(' ')[0], second, more], ['web-1', `web-2 sees ${inside()[0]}`, []]);
    });

    test(`${family}: a pod reaches itself through its Service`, async () => {
      const { clusterIP } = await addressesOf('near', family);
      const [only = '', ...more] = await answers('pod/web-1', clusterIP, 4);
      assert.match(only, /^web-1 sees /);
      assert.deepEqual(more, []);
    });

    test(`${family}: from outside through a node port, where the second hop hides the client`, async () => {
      const { nodePort } = await addressesOf('web', family);
      const [first, second] = await answers('client/alice', nodePort);
      if (mode === 'nftables') assert.equal(first, `web-1 sees ${alice()}`);
      else assert.match(first ?? '', /^web-1 sees /);
      assert.equal(second, `web-2 sees ${inside()[0]}`);
    });

    test(`${family}: policies Local keep to the node, and outside clients their address`, async () => {
      assert.deepEqual(await answers('client/alice', (await addressesOf('kept', family)).nodePort), [
        `web-1 sees ${alice()}`,
      ]);
      const client = await podAddress('shell', family);
      assert.deepEqual(await answers('pod/shell', (await addressesOf('near', family)).clusterIP), [
        `web-1 sees ${client}`,
      ]);
    });

    test(`${family}: affinity keeps a client with one pod`, async () => {
      assert.equal((await answers('pod/shell', (await addressesOf('sticky', family)).clusterIP)).length, 1);
    });

    test(`${family}: without endpoints everybody is refused at once`, async () => {
      const { clusterIP, nodePort } = await addressesOf('empty', family);
      for (const [from, host] of [
        ['pod/shell', clusterIP],
        ['node/node-2', clusterIP],
        ['client/alice', nodePort],
      ] as const)
        assert.deepEqual(await answers(from, host), ['refused'], `${from} to ${host}`);
    });
  }

  test('a pod in its node’s network finds Services by their address, a pod by their name, in both families', async () => {
    const { clusterIP } = await addressesOf('web', 'ipv6');
    for (const url of [`http://${clusterIP}/`, `http://${(await addressesOf('web', 'ipv4')).clusterIP}/`])
      assert.match(await cluster.kubectl(['exec', 'host', '--', 'wget', '-qO-', url]), /^pod +web-/);
    const looked = await cluster.kubectl(['exec', 'shell', '--', 'nslookup', 'web.default.svc.cluster.local']);
    for (const family of families)
      assert.ok(looked.includes((await addressesOf('web', family)).clusterIP.replaceAll(/[[\]]/g, '')), looked);
  });

  test('knit services shows each address and where it leads', async () => {
    const shown = await cluster.knit(['services', 'web', '--node', 'node-1']);
    const { clusterIP } = await addressesOf('web', 'ipv6');
    assert.ok(shown.includes(`${clusterIP}:80`), shown);
    assert.match(shown, /any node address:\d+ +NodePort/);
    assert.match(shown, /├─ 50 % .*:8080 +default\/web-\d +(here|node-2)/);
    const { services } = JSON.parse(await cluster.knit(['services', '-o', 'json']));
    assert.ok(services.some((each: { key: string }) => each.key === 'default/empty'));
  });
}

describe('in nftables', () => {
  packets('nftables');
  test('random changes leave the kernel of every node as planned', async () => {
    const { wrong } = await soak(cluster.config, { seconds: 15, seed: 1, mode: 'nftables' });
    assert.deepEqual(wrong, []);
  });
});

describe('in iptables, to which the running cluster is switched', () => {
  before(async () => {
    for (const { name: node } of cluster.config.nodes) {
      const { agentConfig } = clusterPaths(name).node(node);
      const config = JSON.parse(readFileSync(agentConfig, 'utf8'));
      writeFileSync(agentConfig, JSON.stringify({ ...config, proxyMode: 'iptables' }));
      const agent = processesIn(`knit/${name}/nodes/${node}/system`).find((pid) => commandOf(pid).includes('agent.js'));
      if (agent !== undefined) process.kill(agent, 'SIGTERM');
    }
    for (const { name: node } of cluster.config.nodes) {
      await eventually(`the chains on ${node}`, async () => {
        const tables = await cluster.knit(['exec', `node/${node}`, '--', 'nft', 'list', 'tables']);
        return /table ip nat/.test(tables) && !/table ip6? knit\n/.test(tables);
      });
    }
  });
  packets('iptables');
  test('random changes leave the kernel of every node as planned', async () => {
    const { wrong } = await soak(cluster.config, { seconds: 15, seed: 2, mode: 'iptables' });
    assert.deepEqual(wrong, []);
  });
});
