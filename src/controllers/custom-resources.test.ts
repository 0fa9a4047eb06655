import { type TestContext, test } from 'node:test';
import { configMaps, customResourceDefinitions, namespaces, type Resource } from '../api/resource.ts';
import type { CustomResourceDefinition, KubeObject } from '../api/types.ts';
import { startTestCluster } from './testing.ts';

const things: Resource = {
  group: 'example.com',
  version: 'v1alpha1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
};

/** A cluster with a kind that is served in one version, and another kind of the group in a newer one. */
async function startWithThings(t: TestContext) {
  const cluster = await startTestCluster(t);
  const define = (kind: string, version: string): CustomResourceDefinition => ({
    metadata: { name: `${kind.toLowerCase()}s.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: `${kind.toLowerCase()}s`, kind },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  });
  for (const crd of [define('Thing', 'v1alpha1'), define('Other', 'v1')]) {
    await cluster.client.create(customResourceDefinitions, crd);
    await cluster.until('the kind is established', async () => {
      const { status } = await cluster.client.get(customResourceDefinitions, { name: crd.metadata?.name ?? '' });
      return status?.conditions?.some((each) => each.type === 'Established' && each.status === 'True');
    });
  }
  return cluster;
}

const thing = (name: string, namespace: string, owner?: KubeObject): KubeObject => ({
  metadata: {
    name,
    namespace,
    ownerReferences: owner && [
      { apiVersion: 'v1', kind: 'ConfigMap', name: owner.metadata?.name ?? '', uid: owner.metadata?.uid ?? '' },
    ],
  },
});

test('a namespace takes its custom resources with it, whatever version they are in', async (t) => {
  const { client, until, listed } = await startWithThings(t);
  await client.create(namespaces, { metadata: { name: 'going' } });
  await client.create(things, thing('a', 'going'));
  await client.delete(namespaces, { name: 'going' });
  const isGone = async () => !(await listed(namespaces)).some(({ metadata }) => metadata?.name === 'going');
  await until('the namespace is gone', isGone, 20_000);
});

test('a custom resource goes with its owner, and takes with it what it owns', async (t) => {
  const { client, until, listed } = await startWithThings(t);
  const owner = await client.create(configMaps, { metadata: { name: 'owner', namespace: 'default' } });
  const made = await client.create(things, thing('a', 'default', owner));
  const { uid = '', name = '' } = made.metadata ?? {};
  const ownerReferences = [{ apiVersion: 'example.com/v1alpha1', kind: 'Thing', name, uid }];
  await client.create(configMaps, { metadata: { name: 'owned', namespace: 'default', ownerReferences } });
  await client.delete(configMaps, { namespace: 'default', name: 'owner' });
  const areGone = async () => {
    const left = [...(await listed(things)), ...(await listed(configMaps, { namespace: 'default' }))];
    return !left.some((each) => ['a', 'owned'].includes(each.metadata?.name ?? ''));
  };
  await until('both are gone', areGone, 20_000);
});
