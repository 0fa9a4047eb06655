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
  readonly groups: readonly { readonly name: string; readonly preferredVersion: { readonly version: string } }[];
}

/** All resources of the preferred versions, without subresources. Throws where any group cannot be read. */
export async function discover(client: Client): Promise<DiscoveredResource[]> {
  const { groups } = JSON.parse(await client.raw('GET', '/apis')) as ApiGroupList;
  const versions = [
    { path: '/api/v1', group: '', version: 'v1' },
    ...groups.map(({ name: group, preferredVersion: { version } }) => ({
      path: `/apis/${group}/${version}`,
      group,
      version,
    })),
  ];
  const lists = await Promise.all(
    versions.map(async ({ path, group, version }) => {
      const { resources } = JSON.parse(await client.raw('GET', path)) as ApiResourceList;
      return resources
        .filter(({ name }) => !name.includes('/'))
        .map(({ name, kind, namespaced, verbs }) => ({ group, version, kind, plural: name, namespaced, verbs }));
    }),
  );
  return lists.flat();
}

/** Whether all of `verbs` are among what a resource can do. */
export const can = (resource: DiscoveredResource, ...verbs: readonly string[]): boolean =>
  verbs.every((verb) => resource.verbs.includes(verb));
