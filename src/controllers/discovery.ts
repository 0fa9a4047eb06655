import type { Resource } from '../api/resource.ts';
import type { Client } from '../client/client.ts';

/** A resource as discovery lists it. */
export interface DiscoveredResource extends Resource {
  readonly verbs: readonly string[];
}

interface ApiResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

interface ApiGroupList {
  readonly groups: readonly { readonly name: string; readonly versions: readonly { readonly version: string }[] }[];
}

/**
 * All resources, without subresources, each in the first version of its group that has it. Throws where any group cannot
 * be read.
 */
export async function discover(client: Client): Promise<DiscoveredResource[]> {
  const { groups } = JSON.parse(await client.raw('GET', '/apis')) as ApiGroupList;
  const versions = [
    { path: '/api/v1', group: '', version: 'v1' },
    ...groups.flatMap(({ name: group, versions: all }) =>
      all.map(({ version }) => ({ path: `/apis/${group}/${version}`, group, version })),
    ),
  ];
  const lists = await Promise.all(
    versions.map(async ({ path, group, version }) => {
      const { resources } = JSON.parse(await client.raw('GET', path)) as ApiResourceList;
      return resources
        .filter(({ name }) => !name.includes('/'))
        .map(({ name, kind, namespaced, verbs }) => ({ group, version, kind, plural: name, namespaced, verbs }));
    }),
  );
  const found = new Map<string, DiscoveredResource>();
  for (const resource of lists.flat()) {
    const name = `${resource.group}/${resource.plural}`;
    if (!found.has(name)) found.set(name, resource);
  }
  return [...found.values()];
}

/** Whether all of `verbs` are among what a resource can do. */
export const can = (resource: DiscoveredResource, ...verbs: readonly string[]): boolean =>
  verbs.every((verb) => resource.verbs.includes(verb));
