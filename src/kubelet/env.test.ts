import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/types.ts';
import { type ConfigSource, containerEnv, expand } from './env.ts';
import { serviceEnv } from './service-env.ts';

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' } },
  spec: { nodeName: 'node-1', containers: [] },
};
const fields = { pod, podIPs: ['10.0.0.5'], hostIPs: ['10.89.0.11'], allocatable: { cpu: '4', memory: '1Gi' } };
const config: ConfigSource = {
  configMap: async (_, name) => (name === 'settings' ? { data: { color: 'red', size: 'L' } } : undefined),
  secret: async (_, name) => (name === 'login' ? { data: { user: 'YWxpY2U=' } } : undefined),
};
const envOf = (container: Partial<Container>, services = {}) =>
  containerEnv({ name: 'c', ...container }, fields, config, services, new Map());

test('references are expanded from what was set before, and $$ is a dollar', async () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'B', value: '$(A)-$(SVC)-$(NOPE)-$$(A)' },
  ];
  assert.equal((await envOf({ env }, { SVC: 's' })).B, '1-s-$(NOPE)-$(A)');
  assert.equal(expand('$(A', { A: '1' }), '$(A');
});

test('env wins over envFrom, and both over Services', async () => {
  const env = await envOf(
    { envFrom: [{ configMapRef: { name: 'settings' }, prefix: 'P_' }], env: [{ name: 'P_color', value: 'blue' }] },
    { P_size: 'S', OTHER: 'x' },
  );
  assert.deepEqual(env, { P_color: 'blue', P_size: 'L', OTHER: 'x' });
});

test('values come from config maps, secrets, fields and resources', async () => {
  const env = await envOf({
    resources: { limits: { memory: '64Mi' } },
    env: [
      { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
      { name: 'USER', valueFrom: { secretKeyRef: { name: 'login', key: 'user' } } },
      { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'nope', key: 'x', optional: true } } },
    ],
  });
  assert.deepEqual(env, { COLOR: 'red', USER: 'alice', APP: 'web', IP: '10.0.0.5', MEM: '64', CPU: '4' });
});

test('what is missing is named as the kubelet names it', async () => {
  const from = (valueFrom: NonNullable<Container['env']>[number]['valueFrom']) =>
    envOf({ env: [{ name: 'X', valueFrom }] });
  await assert.rejects(from({ configMapKeyRef: { name: 'nope', key: 'x' } }), /^Error: configmap "nope" not found$/);
  await assert.rejects(
    from({ secretKeyRef: { name: 'login', key: 'x' } }),
    /couldn't find key x in Secret shop\/login/,
  );
  await assert.rejects(envOf({ envFrom: [{ secretRef: { name: 'nope' } }] }), /^Error: secret "nope" not found$/);
});

test('a pod sees the Services of its namespace and the API server, or the API server alone', () => {
  const service = (namespace: string, name: string, clusterIP: string) => ({
    metadata: { namespace, name },
    spec: { clusterIP, ports: [{ name: 'http', port: 80 }] },
  });
  const services = [
    service('shop', 'my-db', '10.96.0.7'),
    service('other', 'x', '10.96.0.8'),
    service('default', 'kubernetes', '10.96.0.1'),
    service('shop', 'headless', 'None'),
  ];
  const env = serviceEnv(services, 'shop', true);
  assert.equal(env.MY_DB_SERVICE_HOST, '10.96.0.7');
  assert.equal(env.MY_DB_SERVICE_PORT_HTTP, '80');
  assert.equal(env.MY_DB_PORT, 'tcp://10.96.0.7:80');
  assert.equal(env.MY_DB_PORT_80_TCP_ADDR, '10.96.0.7');
  assert.equal(env.KUBERNETES_SERVICE_HOST, '10.96.0.1');
  assert.equal(env.X_SERVICE_HOST, undefined);
  assert.equal(env.HEADLESS_SERVICE_HOST, undefined);
  assert.deepEqual(
    Object.keys(serviceEnv(services, 'shop', false)).filter((name) => !name.startsWith('KUBERNETES')),
    [],
  );
});
