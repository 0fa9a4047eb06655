import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { namespaces, pods, runtimeClasses, serviceAccounts } from '../../api/resource.ts';
import type { KubeObject, Pod, PodSpec } from '../../api/types.ts';
import type { Client, Transport } from '../../client/client.ts';
import { createClient, httpsTransport } from '../../client/index.ts';
import { startTestApiServer, type TestApiServer } from '../testing.ts';

describe('a pod with a RuntimeClass', () => {
  let server: TestApiServer;
  let transport: Transport;
  let client: Client;

  before(async () => {
    server = await startTestApiServer();
    transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
    client = createClient(transport);
    const metadata = { name: 'sandboxes' };
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata });
    const account: KubeObject = { metadata: { name: 'default', namespace: 'sandboxes' } };
    await client.create(serviceAccounts, account);
    await client.create(runtimeClasses, {
      metadata: { name: 'heavy' },
      handler: 'runc',
      overhead: { podFixed: { cpu: '100m', memory: '64Mi' } },
      scheduling: { nodeSelector: { runtime: 'heavy' }, tolerations: [{ key: 'heavy', operator: 'Exists' }] },
    });
  });
  after(async () => {
    await transport.close();
    await server.stop();
  });

  const create = (name: string, spec: Partial<PodSpec>): Promise<Pod> =>
    client.create(pods, {
      metadata: { name, namespace: 'sandboxes' },
      spec: { containers: [{ name: 'main', image: 'lab' }], ...spec },
    });

  it('gets its overhead, and goes where it may run', async () => {
    const { spec } = await create('a', { runtimeClassName: 'heavy', nodeSelector: { disk: 'ssd' } });
    assert.deepEqual(spec?.overhead, { cpu: '100m', memory: '64Mi' });
    assert.deepEqual(spec?.nodeSelector, { disk: 'ssd', runtime: 'heavy' });
    assert.ok(spec?.tolerations?.some(({ key }) => key === 'heavy'));
  });

  it('is refused where there is none, or where it says otherwise itself', async () => {
    await assert.rejects(create('b', { runtimeClassName: 'none' }), /pod rejected: RuntimeClass "none" not found$/);
    await assert.rejects(
      create('c', { runtimeClassName: 'heavy', nodeSelector: { runtime: 'light' } }),
      /conflict: runtimeClass.scheduling.nodeSelector\[runtime\] = heavy; pod.spec.nodeSelector\[runtime\] = light$/,
    );
    await assert.rejects(create('d', { runtimeClassName: 'heavy', overhead: { cpu: '1' } }), /Overhead doesn't match/);
  });
});
