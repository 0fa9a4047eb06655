import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';

const registrations = '/apis/apiregistration.k8s.io/v1/apiservices';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

interface Service {
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> };
  readonly spec: { readonly groupPriorityMinimum: number; readonly versionPriority: number };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly reason: string }[] };
}

test('the groups of this server are APIServices, which come and go with definitions', async (t) => {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  const all = async () => (await wire.get(registrations)).json.items as unknown as Service[];
  const shown = (await all()).map(({ metadata: { name, labels }, spec, status }) =>
    [
      name,
      labels['kube-aggregator.kubernetes.io/automanaged'],
      spec.groupPriorityMinimum,
      spec.versionPriority,
      ...status.conditions.map(({ type, reason }) => `${type}/${reason}`),
    ].join(' '),
  );
  assert.ok(shown.includes('v1. onstart 18000 1 Available/Local'));
  assert.ok(shown.includes('v2.autoscaling onstart 17500 30 Available/Local'));
  // What discovery tells, but for the groups of the API machinery itself, as in Kubernetes.
  const groups = (await wire.get('/apis')).json as unknown as {
    readonly groups: { readonly versions: { readonly groupVersion: string }[] }[];
  };
  const told = groups.groups.flatMap(({ versions }) =>
    versions.map(({ groupVersion }) => groupVersion.split('/').reverse().join('.')),
  );
  const own = new Set(['v1.apiregistration.k8s.io', 'v1beta1.metrics.k8s.io']);
  assert.deepEqual(
    (await all()).map(({ metadata }) => metadata.name).sort(),
    ['v1.', ...told.filter((name) => !own.has(name))].sort(),
  );

  const version = (name: string, served: boolean) => ({
    name,
    served,
    storage: name === 'v1',
    schema: { openAPIV3Schema: { type: 'object' } },
  });
  const names = { plural: 'carts', singular: 'cart', kind: 'Cart', listKind: 'CartList' };
  const made = await wire.post(definitions, {
    metadata: { name: 'carts.shop.example' },
    spec: {
      group: 'shop.example',
      scope: 'Namespaced',
      names,
      versions: [version('v1', true), version('v1beta1', true), version('v1alpha1', false)],
    },
  });
  assert.equal(made.status, 201, made.text);
  const custom = async () =>
    (await all())
      .filter(({ metadata }) => metadata.name.endsWith('shop.example'))
      .map(({ metadata, spec }) => `${metadata.name} ${spec.groupPriorityMinimum} ${spec.versionPriority}`);
  const until = (wanted: readonly string[]) =>
    waitFor(async () => (await custom()).join() === wanted.join(), {
      what: wanted.join(),
      timeoutMs: 30_000,
      intervalMs: 5,
    });
  await until(['v1.shop.example 1000 100', 'v1beta1.shop.example 1000 100']);
  const fewer = { spec: { versions: [version('v1', true), version('v1beta1', false), version('v1alpha1', false)] } };
  assert.equal((await wire.patch(`${definitions}/carts.shop.example`, 'merge', fewer)).status, 200);
  await until(['v1.shop.example 1000 100']);
  await wire.delete(`${definitions}/carts.shop.example`);
  await until([]);
});
