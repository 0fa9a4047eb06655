import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nodes } from '../api/resource.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { run } from '../kernel/run.ts';
import { inNamespace } from '../proxy/testing/namespace.ts';
import { CONFLIST_NAME } from './cni.ts';
import { startPodNetwork } from './podnet.ts';

inNamespace(import.meta.url, 'the pod network against a real API server, in a namespace of its own', () => {
  describe('the pod network of a node', { timeout: 300_000 }, () => {
    let api: TestApiServer;
    let client: Client;
    let dir: string;
    const ends: (() => Promise<void>)[] = [];

    before(async () => {
      await run('ip', ['link', 'set', 'lo', 'up']);
      dir = await mkdtemp(join(tmpdir(), 'knit-t-podnet-'));
      api = await startTestApiServer();
      const log = createLog('podnet', () => undefined);
      const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
      client = createClient(transport);
      await client.create(nodes, { metadata: { name: 'node1' } });
      const informers = createInformers(client, log);
      const network = await startPodNetwork({
        client,
        informers,
        log,
        nodeName: 'node1',
        clusterCIDRs: ['10.244.0.0/16'],
        cniConfDir: dir,
        cniBinDirs: ['/usr/lib/cni', '/opt/cni/bin'],
      });
      ends.push(
        () => network.stop(),
        () => informers.stop(),
        () => transport.close(),
      );
    });
    after(async () => {
      for (const end of ends) await end();
      await api?.stop();
      if (dir) await rm(dir, { recursive: true });
    });

    const masquerades = () =>
      waitFor(async () => (await run('nft', ['list', 'table', 'ip', 'knit-egress'])).includes('masquerade'), {
        what: 'the masquerade',
        timeoutMs: 30_000,
      });

    test('waits for the pod CIDR of its node', async () => {
      const node = await client.get(nodes, { name: 'node1' });
      await assert.rejects(readFile(join(dir, CONFLIST_NAME)));
      await client.update(nodes, { ...node, spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] } });
      const text = await waitFor(() => readFile(join(dir, CONFLIST_NAME), 'utf8'), {
        what: 'the CNI configuration',
        timeoutMs: 30_000,
      });
      assert.match(text, /10\.244\.1\.0\/24/);
      await masquerades();
    });

    test('the node forwards', async () => {
      assert.equal((await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8')).trim(), '1');
    });

    test('the masquerade comes back after somebody flushed all rules', async () => {
      await run('nft', ['flush', 'ruleset']);
      await masquerades();
    });
  });
});
