import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { namespaces, networkPolicies, nodes, pods, serviceAccounts } from '../api/resource.ts';
import type { Pod } from '../api/types.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, Transport } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { networkIdentity, nodeNetworkRoles } from '../cluster/node-network.ts';
import { run } from '../kernel/run.ts';
import { inNamespace } from '../proxy/testing/namespace.ts';
import { type Policy, startPolicy } from './policy.ts';
import { pod, policy } from './testing/objects.ts';

inNamespace(import.meta.url, 'policies against a real API server, in a namespace of its own', () => {
  describe('the policies of a node', { timeout: 300_000 }, () => {
    let api: TestApiServer;
    let admin: Client;
    let adminTransport: Transport;
    let started: { policy: Policy; sees(key: string): boolean; stop(): Promise<void> };
    /** Paths of the watches that are open. */
    const watches = new Set<string>();

    /** With the identity of a node's network, so that what it may not read is found here. */
    const start = async () => {
      const log = createLog('policy', (line) => line.includes(' ERROR ') && process.stderr.write(line));
      const { commonName, organizations } = networkIdentity('node1');
      const identity = await api.certificate(commonName, organizations);
      const transport = httpsTransport({ server: api.url, ca: api.ca, ...identity });
      const client = createClient(counting(transport, watches));
      const informers = createInformers(client, log);
      const policy = await startPolicy({ client, informers, log, nodeName: 'node1', nodeIPs: ['10.89.0.11'] });
      const own = informers.informer(pods, { fieldSelector: 'spec.nodeName=node1' });
      return {
        policy,
        sees: (key: string) => own.get(key) !== undefined,
        async stop() {
          await policy.stop();
          await informers.stop();
          await transport.close();
        },
      };
    };

    before(async () => {
      await run('ip', ['link', 'set', 'lo', 'up']);
      api = await startTestApiServer({ roles: nodeNetworkRoles });
      adminTransport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
      admin = createClient(adminTransport);
      await admin.create(nodes, {
        metadata: { name: 'node1' },
        spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
      });
      await admin.create(namespaces, { metadata: { name: 'shop' } });
      await admin.create(serviceAccounts, { metadata: { namespace: 'shop', name: 'default' } }).catch(() => undefined);
      await create(pod('shop/a', '10.244.1.2'));
      started = await start();
    });
    after(async () => {
      await started?.stop();
      await adminTransport?.close();
      await api?.stop();
    });

    const create = async (object: Pod) => {
      const { metadata, spec, status } = object;
      const made = await admin.create(pods, {
        metadata: { namespace: metadata?.namespace, name: metadata?.name, labels: metadata?.labels },
        spec: { ...spec, containers: [{ name: 'main', image: 'none' }] },
      });
      return status?.podIPs?.length
        ? await admin.updateStatus(pods, {
            ...made,
            status: { ...made.status, ...status, podIP: status.podIPs[0]?.ip },
          })
        : made;
    };
    const ruleset = () => run('nft', ['-a', 'list', 'ruleset']);
    const settles = (what: string, look: (rules: string) => boolean, timeoutMs = 30_000) =>
      waitFor(async () => look(await ruleset()), { what, timeoutMs });
    const allPods = () =>
      [...watches].filter((path) => path.startsWith('/api/v1/pods') && !path.includes('spec.nodeName'));

    test('without a policy: no table, and no watch of the pods of the cluster', async () => {
      assert.equal((await ruleset()).trim(), '');
      await started.policy.podStarts(pod('shop/early', []), ['10.244.1.9']);
      assert.equal((await ruleset()).trim(), '');
      assert.ok([...watches].some((path) => path.includes('networkpolicies')));
      assert.deepEqual(allPods(), []);
    });

    test('the first policy makes the table, with what the kubelet told before', async () => {
      await admin.create(networkPolicies, policy('shop/deny', {}));
      await settles('the table', (rules) => /10\.244\.1\.2 : goto ingress-pods-/.test(rules));
      assert.match(await ruleset(), /set known \{[^}]*10\.244\.1\.9/);
      assert.equal(allPods().length, 1);
    });

    test('a pod starts after its address is in the kernel, whatever the API server knows', async () => {
      const made = await create(pod('shop/new', []));
      await started.policy.podStarts(made, ['10.244.1.7']);
      assert.match(await ruleset(), /10\.244\.1\.7 : goto ingress-pods-/);
    });

    test('a pod that is gone leaves the table', async () => {
      await admin.delete(pods, { namespace: 'shop', name: 'new' }, { gracePeriodSeconds: 0 });
      await settles('the pod to leave', (rules) => !rules.includes('10.244.1.7'));
    });

    test('a pod that was deleted before it started leaves the table when it ends', async () => {
      const made = await create(pod('shop/brief', []));
      await admin.delete(pods, { namespace: 'shop', name: 'brief' }, { gracePeriodSeconds: 0 });
      await settles('the deletion to be seen', () => !started.sees('shop/brief'));
      await started.policy.podStarts(made, ['10.244.1.6']);
      assert.match(await ruleset(), /10\.244\.1\.6 : goto/);
      started.policy.podEnds(made);
      await settles('the pod to leave', (rules) => !rules.includes('10.244.1.6'));
    });

    test('after a flush everything is back', async () => {
      await run('nft', ['flush', 'ruleset']);
      await settles('the table', (rules) => /10\.244\.1\.2 : goto ingress-pods-/.test(rules));
    });

    test('a restart changes nothing that is right', async () => {
      const before = await ruleset();
      await started.stop();
      assert.equal(await ruleset(), before, 'rules stay while nobody is there');
      await run('nft', ['add', 'element', 'ip', 'knit-policy', 'known', '{ 10.244.1.88 }']);
      started = await start();
      assert.doesNotMatch(await ruleset(), /10\.244\.1\.88/, 'what is wrong is mended');
      const handles = (text: string) => text.match(/handle \d+/g)?.join();
      assert.equal(handles(await ruleset()), handles(before));
    });

    test('the last policy takes table and watches with it', async () => {
      await admin.delete(networkPolicies, { namespace: 'shop', name: 'deny' });
      await settles('no table', (rules) => rules.trim() === '');
      await waitFor(() => allPods().length === 0, { what: 'the watch to end', timeoutMs: 30_000 });
    });
  });
});

function counting(transport: Transport, watches: Set<string>): Transport {
  return {
    close: () => transport.close(),
    async request(request) {
      const response = await transport.request(request);
      if (!request.path.includes('watch=true')) return response;
      watches.add(request.path);
      request.signal?.addEventListener('abort', () => watches.delete(request.path), { once: true });
      return response;
    },
  };
}
