import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { configMaps, deployments, events, nodes } from '../api/resource.ts';
import { startTestApiServer, type TestApiServer } from '../apiserver/testing.ts';
import type { Running } from '../base/running.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, Transport } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { startDnsAutoscaler } from './autoscaler.ts';
import { quiet } from './fixtures.ts';
import { dnsManifests } from './manifests.ts';

const config = { namespace: 'kube-system', name: 'kube-dns-autoscaler' };
const target = { namespace: 'kube-system', name: 'knit-dns' };

describe('the autoscaler of cluster DNS', () => {
  let server: TestApiServer;
  let transport: Transport;
  let client: Client;
  let informers: InformerFactory;
  let autoscaler: Running;

  const start = async () => {
    informers = createInformers(client, quiet);
    autoscaler = await startDnsAutoscaler({ client, informers, log: quiet, replicas: 2 });
  };
  const stop = async () => {
    await autoscaler.stop();
    await informers.stop();
  };

  before(async () => {
    server = await startTestApiServer();
    transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
    client = createClient(transport);
    const manifests = dnsManifests({ clusterIP: '10.96.0.10', domain: 'cluster.local', image: 'x', replicas: 2 });
    await client.create(deployments, manifests.at(-1) ?? {});
    await start();
  });
  after(async () => {
    await stop();
    await transport.close();
    await server.stop();
  });

  const until = (what: string, look: () => Promise<boolean>) => waitFor(look, { what, timeoutMs: 30_000 });
  const replicas = (count: number) =>
    until(`${count} replicas`, async () => (await client.get(deployments, target)).spec?.replicas === count);
  const configure = (data: Record<string, string>) =>
    client.patch(configMaps, config, 'json', [{ op: 'replace', path: '/data', value: data }]);
  const refused = async (message: RegExp) =>
    until(`an event ${message}`, async () =>
      (await client.list(events, { namespace: 'kube-system' })).items.some(
        (event) =>
          event.type === 'Warning' && event.involvedObject.name === config.name && message.test(event.message ?? ''),
      ),
    );
  const addNodes = async (...names: string[]) => {
    for (const name of names) {
      await client.create(nodes, { metadata: { name } });
      await client.patch(nodes, { name }, 'merge', { status: { allocatable: { cpu: '1500m' } } }, 'status');
    }
  };

  it('makes a config map that leaves a small cluster as it is', async () => {
    await until('the config map', async () => (await client.get(configMaps, config)).data?.linear !== undefined);
    await addNodes('a', 'b', 'c');
    await replicas(2);
  });

  it('follows nodes and cores as the config map says', async () => {
    await configure({ linear: '{"nodesPerReplica":1}' });
    await replicas(3);
    await addNodes('d');
    await replicas(4);
    await client.patch(nodes, { name: 'd' }, 'merge', { spec: { unschedulable: true } });
    await replicas(3);
    await configure({ ladder: '{"coresToReplicas":[[1,1],[4,4],[5,5]]}' });
    await replicas(4);
  });

  it('puts back what somebody else scaled', async () => {
    await client.patch(deployments, target, 'merge', { spec: { replicas: 1 } }, 'scale');
    await replicas(4);
  });

  it('refuses a wrong config map with an event, and goes by the last good one', async () => {
    await configure({ linear: '{"nodesPerReplica":0}' });
    await refused(/coresPerReplica or nodesPerReplica must be greater than 0/);
    await client.patch(nodes, { name: 'd' }, 'merge', { spec: { unschedulable: false } });
    await replicas(5);
  });

  it('scales nothing where it starts with a wrong one', async () => {
    await stop();
    await client.delete(events, { namespace: 'kube-system', name: (await firstWarning()) ?? '' });
    await start();
    await refused(/must be greater than 0/);
    assert.equal((await client.get(deployments, target)).spec?.replicas, 5);
    await configure({ linear: '{"nodesPerReplica":2}' });
    await replicas(2);
  });

  const firstWarning = async () =>
    (await client.list(events, { namespace: 'kube-system' })).items.find(({ type }) => type === 'Warning')?.metadata
      .name;

  it('makes the config map again when it is deleted', async () => {
    await client.delete(configMaps, config);
    await until('the config map', async () => (await client.get(configMaps, config)).data?.linear !== undefined);
  });
});
