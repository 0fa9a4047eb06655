import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaces, nodes, pods, serviceAccounts } from '../../api/resource.ts';
import { createClient, httpsTransport } from '../../client/index.ts';
import { startTestApiServer } from '../testing.ts';

test('a pod is told the zone and the region of the node it is bound to', async () => {
  const server = await startTestApiServer();
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  const client = createClient(transport);
  try {
    await client.create(namespaces, { metadata: { name: 'zones' } });
    await client.create(serviceAccounts, { metadata: { name: 'default', namespace: 'zones' } });
    const place = { 'topology.kubernetes.io/region': 'north', 'topology.kubernetes.io/zone': 'north-1' };
    await client.create(nodes, { metadata: { name: 'here', labels: { ...place, disk: 'ssd' } } });
    await client.create(nodes, { metadata: { name: 'nowhere' } });
    const bound = async (name: string, node: string) => {
      const labels = { app: name, 'topology.kubernetes.io/zone': 'moon' };
      const spec = { containers: [{ name: 'main', image: 'lab' }] };
      await client.create(pods, { metadata: { name, namespace: 'zones', labels }, spec });
      const binding = { metadata: { name }, target: { kind: 'Node', name: node } };
      const answer = await transport.request({
        method: 'POST',
        path: `/api/v1/namespaces/zones/pods/${name}/binding`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ apiVersion: 'v1', kind: 'Binding', ...binding }),
      });
      assert.equal(answer.status, 201);
      return (await client.get(pods, { name, namespace: 'zones' })).metadata?.labels;
    };
    assert.deepEqual(await bound('a', 'here'), { app: 'a', ...place });
    assert.deepEqual(await bound('b', 'nowhere'), { app: 'b', 'topology.kubernetes.io/zone': 'moon' });
  } finally {
    await transport.close();
    await server.stop();
  }
});
