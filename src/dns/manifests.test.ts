import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '../api/types.ts';
import { startTestApiServer } from '../apiserver/testing.ts';
import { httpsTransport } from '../client/https.ts';
import { createClient } from '../client/requests.ts';
import { dnsManifests } from './manifests.ts';
import { parseDnsOptions } from './options.ts';

const options = { clusterIP: '10.96.0.10', domain: 'cluster.local', image: 'knit/lab', replicas: 2 };
const runtime = { nodeBinary: '/usr/local/bin/node', libDir: '/usr/lib', distDir: '/opt/knit/dist' };

const plurals: Record<string, string> = {
  ServiceAccount: '/api/v1/namespaces/kube-system/serviceaccounts',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings',
  Service: '/api/v1/namespaces/kube-system/services',
  Deployment: '/apis/apps/v1/namespaces/kube-system/deployments',
};

describe('the manifests of cluster DNS', () => {
  it('are taken by a strict API server', async (t) => {
    const server = await startTestApiServer();
    const transport = httpsTransport({
      server: server.url,
      ca: server.ca,
      cert: server.adminCert,
      key: server.adminKey,
    });
    t.after(async () => {
      await transport.close();
      await server.stop();
    });
    const client = createClient(transport);
    for (const object of dnsManifests({ ...options, runtime })) {
      const path = `${plurals[object.kind ?? '']}?fieldValidation=Strict`;
      const created = JSON.parse(await client.raw('POST', path, JSON.stringify(object))) as KubeObject;
      assert.ok(created.metadata?.uid, object.kind);
    }
  });

  it('start the server with flags that it knows', () => {
    const deployment = dnsManifests({ ...options, runtime }).at(-1) as { spec?: { template?: { spec?: PodSpecOf } } };
    const [container] = deployment.spec?.template?.spec?.containers ?? [];
    assert.deepEqual(parseDnsOptions(container?.args ?? [], {}).ownAddresses, ['10.96.0.10']);
    assert.equal(container?.command?.[0], '/usr/bin/node');
    const volumes = (deployment.spec?.template?.spec?.volumes ?? []).map(({ name }) => name).sort();
    assert.deepEqual(container?.volumeMounts?.map(({ name }) => name).sort(), volumes);
  });

  it('take node from the image where no runtime is given', () => {
    const text = JSON.stringify(dnsManifests(options));
    assert.ok(!text.includes('hostPath') && text.includes('"command":["node"'));
  });
});

interface PodSpecOf {
  containers?: { args?: string[]; command?: string[]; volumeMounts?: { name: string }[] }[];
  volumes?: { name: string }[];
}
