import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { clusterPaths } from '../src/cluster/paths.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { service, serviceObjects, servicePackets, webPods } from './support/service-packets.ts';
import { soak } from './support/soak.ts';

/** Services on a live dual-stack cluster in both proxy modes; `overlay.test.ts` has them in VXLAN. */
const name = 't-services';
let cluster: TestCluster;

before(async () => {
  cluster = await startCluster(name, ['--nodes', '2', '--ip-family', 'dual', '--uplink', 'none']);
  await cluster.apply(...webPods(), ...serviceObjects());
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
});
after(() => cluster?.down());

const commandOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');

describe('in nftables', () => {
  servicePackets({ cluster: () => cluster, proxyMode: 'nftables', podNetwork: 'routes' });
  test('a ServiceCIDR that is added gives addresses that are reached and have names', async () => {
    const cidrs = ['203.0.113.0/24', '2001:db8:cb00::/64'];
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'more' },
      spec: { cidrs },
    });
    await cluster.kubectl(['wait', '--for=condition=Ready', 'servicecidr', 'more', '--timeout=110s']);
    const clusterIPs = ['203.0.113.10', '2001:db8:cb00::a'];
    await cluster.apply(service('elsewhere', { clusterIP: clusterIPs[0], clusterIPs }));
    for (const address of clusterIPs) {
      const url = `http://${address.includes(':') ? `[${address}]` : address}/`;
      for (const from of ['pod/shell', 'node/node-1']) {
        await eventually(`${from} to reach ${url}`, () =>
          cluster.knit(['exec', from, '--', 'curl', '-sf', '-m', '2', url]).catch(() => undefined),
        );
      }
      const named = () => cluster.kubectl(['exec', 'shell', '--', 'nslookup', address]);
      await eventually(`${address} to have a name`, async () =>
        /name = elsewhere\.default\.svc\.cluster\.local/.test(await named()),
      );
      assert.match(await cluster.kubectl(['get', 'ipaddress', address]), /services\/default\/elsewhere/);
    }
  });
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
  servicePackets({ cluster: () => cluster, proxyMode: 'iptables', podNetwork: 'routes' });
  test('random changes leave the kernel of every node as planned', async () => {
    const { wrong } = await soak(cluster.config, { seconds: 15, seed: 2, mode: 'iptables' });
    assert.deepEqual(wrong, []);
  });
});
