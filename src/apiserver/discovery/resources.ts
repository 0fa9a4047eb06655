import { createHash } from 'node:crypto';
import type { Kind, Subresource } from '../../api/kind.ts';
import type { Resource } from '../../api/resource.ts';
import type { RemoteResource } from '../aggregation/aggregator.ts';
import { verbsOf } from '../kinds.ts';

const updated = ['get', 'patch', 'update'] as const;

/** All subresources of a kind, `status` and `scale` included, in order of their names. */
export function subresourcesOf(kind: Kind): readonly Subresource[] {
  const status: Subresource[] = kind.hasStatus ? [{ name: 'status', kind: kind.kind, verbs: updated }] : [];
  const scale: Subresource[] = kind.scale
    ? [{ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: updated }]
    : [];
  return [...kind.subresources, ...status, ...scale].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Another one where objects are kept in another version: who migrates them asks for it. */
function storageVersionHash({ group, version, kind }: Resource): string {
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}

/** meta.k8s.io/v1 APIResource, of the kind and its subresources. */
export function apiResources(kind: Kind): unknown[] {
  const main = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: verbsOf(kind),
    shortNames: kind.shortNames.length > 0 ? kind.shortNames : undefined,
    categories: kind.categories.length > 0 ? kind.categories : undefined,
    storageVersionHash: verbsOf(kind).includes('watch')
      ? storageVersionHash(kind.storedAs?.resource ?? kind)
      : undefined,
  };
  const below = subresourcesOf(kind).map((subresource) => ({
    name: `${kind.plural}/${subresource.name}`,
    singularName: '',
    namespaced: kind.namespaced,
    group: subresource.group,
    version: subresource.version,
    kind: subresource.kind,
    verbs: subresource.verbs,
  }));
  return [main, ...below];
}

/** apidiscovery.k8s.io/v2 APIResourceDiscovery. */
export function discoveryOf(kind: Kind): unknown {
  const below = subresourcesOf(kind).map((subresource) => ({
    subresource: subresource.name,
    responseKind: {
      group: subresource.group ?? kind.group,
      version: subresource.version ?? kind.version,
      kind: subresource.kind,
    },
    verbs: subresource.verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: verbsOf(kind),
    shortNames: kind.shortNames.length > 0 ? kind.shortNames : undefined,
    categories: kind.categories.length > 0 ? kind.categories : undefined,
    subresources: below.length > 0 ? below : undefined,
  };
}

/** The same of what another server told in the older form, where subresources stand in one list with the others. */
export function remoteDiscovery(group: string, version: string, resources: readonly RemoteResource[]): unknown[] {
  const kindOf = (each: RemoteResource) => ({
    group: each.group ?? group,
    version: each.version ?? version,
    kind: each.kind,
  });
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map((resource) => {
      const below = resources.filter(({ name }) => name.startsWith(`${resource.name}/`));
      return {
        resource: resource.name,
        responseKind: kindOf(resource),
        scope: resource.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: resource.singularName || resource.kind.toLowerCase(),
        verbs: resource.verbs,
        shortNames: resource.shortNames,
        categories: resource.categories,
        subresources: below.map((each) => ({
          subresource: each.name.slice(resource.name.length + 1),
          responseKind: kindOf(each),
          verbs: each.verbs,
        })),
      };
    });
}
