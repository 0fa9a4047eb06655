import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endpointSlices, namespaces, nodes, pods, serviceAccounts, services } from '../../api/resource.ts';
import type { Pod } from '../../api/types.ts';
import { startTestApiServer, type TestApiServer } from '../../apiserver/testing.ts';
import { createLog } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import { waitFor } from '../../base/wait.ts';
import type { Client } from '../../client/client.ts';
import { httpsTransport } from '../../client/https.ts';
import { createInformers } from '../../client/informers.ts';
import { createClient } from '../../client/requests.ts';
import { run, tryRun } from '../../kernel/run.ts';
import type { ProxyMode } from '../backends.ts';
import { startProxy } from '../proxy.ts';
import { Peer } from './lab.ts';
import { inNamespace } from './namespace.ts';
import { node1, service, slice } from './objects.ts';

const NODE = '10.89.0.11';
const VIP = '10.96.0.50';

export interface ProxyUnderTest {
  readonly mode: ProxyMode;
  /** Commands with which somebody damages the rules. */
  readonly damage: readonly (readonly string[])[];
  /** Makes something foreign, damages ours at its side, and prints it: it must still be there. */
  readonly foreign: { readonly make: string; readonly print: string; readonly expect: RegExp };
  /** Prints all rules with what tells that they were written anew: nftables' handles. */
  readonly printRules: readonly string[];
  /** Leaves rules of the other mode, and says whether they are there. */
  readonly other: { readonly make: string; readonly isThere: string };
}

/** What the proxy of a node must do against a real API server. `url` is the test file's `import.meta.url`. */
export function proxySuite(url: string, underTest: ProxyUnderTest): void {
  const title = `the proxy in mode ${underTest.mode} against a real API server, in a namespace of its own`;
  inNamespace(url, title, () => insideNamespace(underTest));
}

function insideNamespace({ mode, damage: damages, foreign, printRules, other }: ProxyUnderTest): void {
  describe('the proxy of a node', { timeout: 300_000 }, () => {
    let api: TestApiServer;
    let client: Client;
    let proxy: Running;
    let peer: Peer;
    const running: Running[] = [];

    const start = async () => {
      const log = createLog('proxy', (line) => line.includes(' ERROR ') && process.stderr.write(line));
      const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
      client = createClient(transport);
      const informers = createInformers(client, log);
      const proxy = await startProxy({
        client,
        informers,
        log,
        nodeName: 'node1',
        nodeIPs: [NODE],
        clusterCIDRs: node1.clusterCIDRs,
        mode,
        healthz: { port: 10_256 },
        metrics: { host: '127.0.0.1', port: 10_249 },
      });
      return {
        async stop() {
          await proxy.stop();
          await informers.stop();
          await transport.close();
        },
      };
    };

    before(async () => {
      // Pods' addresses are on the loopback: packets to them are real, and the pods need not be.
      await run('sh', ['-e'], {
        input: `ip link set lo up
ip addr add ${NODE}/32 dev lo
ip addr add 10.244.1.2/32 dev lo
ip addr add 10.244.1.3/32 dev lo
ip link add name eth0 type veth peer name eth1
ip link set eth1 up
ip link set eth0 up
ip route add default dev eth0 src ${NODE}`,
      });
      api = await startTestApiServer();
      proxy = await start();
      running.push(proxy);
      await client.create(nodes, { metadata: { name: 'node1' }, spec: { podCIDR: '10.244.1.0/24' } });
      peer = await Peer.here('server');
      await peer.serve('tcp', 8080);
    });
    after(async () => {
      await peer?.stop();
      for (const started of running) await started.stop();
      await api?.stop();
    });

    const answers = (port = 80, host = VIP) =>
      waitFor(async () => (await peer.tcp(host, port, 500)).answer, {
        what: `${host}:${port} to answer`,
        timeoutMs: 30_000,
      });
    const refuses = (port = 80, host = VIP) =>
      waitFor(async () => (await peer.tcp(host, port, 500)).error === 'ECONNREFUSED', {
        what: `${host}:${port} to refuse`,
        timeoutMs: 30_000,
      });
    const endpoint = { addresses: ['10.244.1.2'], nodeName: 'node1', conditions: { ready: true } };

    test('a Service answers once it has an endpoint, and refuses when that is gone', async () => {
      await client.create(namespaces, { metadata: { name: 'shop' } });
      const object = service('web', VIP, { clusterIP: VIP, ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }] });
      await client.create(services, { ...object, metadata: { name: 'web', namespace: 'shop' } });
      await refuses();
      const created = await client.create(endpointSlices, slice('web', [endpoint]));
      assert.match(await answers(), /^server sees/);
      await client.update(endpointSlices, { ...created, endpoints: [] });
      await refuses();
      const now = await client.get(endpointSlices, { namespace: 'shop', name: 'web-tcp' });
      await client.update(endpointSlices, { ...now, endpoints: [endpoint] });
      await answers();
    });

    test('healthz and livez answer on the health port', async () => {
      for (const path of ['/healthz', '/livez']) {
        const response = await fetch(`http://127.0.0.1:10256${path}`);
        assert.equal(response.status, 200);
        assert.match(await response.text(), /"lastUpdated"/);
      }
    });

    test('metrics have the names of kube-proxy, and tell how long a change took to reach the kernel', async () => {
      const page = async (path: string) => await (await fetch(`http://127.0.0.1:10249${path}`)).text();
      assert.equal(await page('/proxyMode'), mode);
      assert.equal(await page('/healthz'), 'ok');
      const slow = { ...slice('slow', [endpoint]), metadata: { name: 'slow', namespace: 'shop' } };
      const changedAt = new Date(Date.now() + 1000).toISOString();
      const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': changedAt };
      const labels = { 'kubernetes.io/service-name': 'web' };
      await client.create(endpointSlices, { ...slow, metadata: { ...slow.metadata, annotations, labels } });
      const count = (text: string, name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
      const text = await waitFor(
        async () => {
          const now = await page('/metrics');
          return count(now, 'kubeproxy_network_programming_duration_seconds_count') === 1 && now;
        },
        { what: 'the change to be counted', timeoutMs: 30_000 },
      );
      assert.ok(count(text, 'kubeproxy_sync_proxy_rules_duration_seconds_count') >= 2);
      assert.ok(count(text, 'kubeproxy_sync_proxy_rules_last_timestamp_seconds') > Date.now() / 1000 - 60);
      assert.ok(count(text, 'kubeproxy_sync_proxy_rules_endpoint_changes_total') >= 2);
      await client.delete(endpointSlices, { namespace: 'shop', name: 'slow' });
    });

    test('healthCheckNodePort tells how many endpoints are here', async () => {
      await client.create(services, {
        metadata: { name: 'lb', namespace: 'shop' },
        spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80, targetPort: 8080 }] },
      });
      const made = await waitFor(
        async () => (await client.get(services, { namespace: 'shop', name: 'lb' })).spec?.healthCheckNodePort,
        { what: 'a health check node port', timeoutMs: 30_000 },
      );
      const status = async () => (await fetch(`http://127.0.0.1:${made}/healthz`)).status;
      await waitFor(async () => (await status()) === 503, { what: '503 without endpoints', timeoutMs: 30_000 });
      await client.create(endpointSlices, slice('lb', [endpoint]));
      await waitFor(async () => (await status()) === 200, { what: '200 with an endpoint', timeoutMs: 30_000 });
    });

    test('a host port of a pod of this node answers on the node', async () => {
      await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'shop' } });
      const pod: Pod = {
        metadata: { name: 'edge', namespace: 'shop' },
        spec: {
          nodeName: 'node1',
          containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 8080, hostPort: 8088, protocol: 'TCP' }] }],
        },
      };
      const created = await client.create(pods, pod);
      const podIPs = [{ ip: '10.244.1.3' }];
      await client.updateStatus(pods, { ...created, status: { phase: 'Running', podIP: '10.244.1.3', podIPs } });
      await answers(8088, NODE);
    });

    for (const damage of damages) {
      test(`right again within 5 s after: ${damage.join(' ')}`, async () => {
        const [command = '', ...args] = damage;
        await run(command, args);
        await answers();
      });
    }

    test('what is foreign is left alone', async () => {
      await run('sh', ['-ec', foreign.make]);
      await answers();
      assert.match(await run('sh', ['-ec', foreign.print]), foreign.expect);
    });

    test('rules stay when the proxy stops, and it finds them when it starts', async () => {
      await proxy.stop();
      await answers();
      const [command = '', ...args] = printRules;
      const stable = async () => (await run(command, args)).replaceAll(/packets \d+ bytes \d+/g, '');
      const before = await stable();
      proxy = await start();
      running.push(proxy);
      await answers();
      assert.equal(await stable(), before);
    });

    test('the rules of the other mode are removed when it starts', async () => {
      await proxy.stop();
      await run('sh', ['-ec', other.make]);
      const isThere = async () => (await tryRun('sh', ['-c', other.isThere])).code === 0;
      assert.ok(await isThere());
      proxy = await start();
      running.push(proxy);
      await answers();
      assert.equal(await isThere(), false);
    });
  });
}
