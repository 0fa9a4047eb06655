import type { Resource } from '../api/resource.ts';
import { messageOf } from '../base/errors.ts';
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

export interface Discovery {
  /** Without subresources, each in the first version of its group that has it. */
  readonly resources: DiscoveredResource[];
  /** Versions of groups that could not be read, with why: those of another server that does not answer. */
  readonly failures: ReadonlyMap<string, string>;
}

/** All resources that there are. Throws where not even the groups can be read. */
export async function discover(client: Client): Promise<Discovery> {
  const { groups } = JSON.parse(await client.raw('GET', '/apis')) as ApiGroupList;
  const versions = [
    { path: '/api/v1', group: '', version: 'v1' },
    ...groups.flatMap(({ name: group, versions: all }) =>
      all.map(({ version }) => ({ path: `/apis/${group}/${version}`, group, version })),
    ),
  ];
  const failures = new Map<string, string>();
  const read = async (path: string, name: string): Promise<ApiResourceList['resources']> => {
    try {
      return (JSON.parse(await client.raw('GET', path)) as ApiResourceList).resources;
    } catch (error) {
      failures.set(name, messageOf(error));
      return [];
    }
  };
  const lists = await Promise.all(
    versions.map(async ({ path, group, version }) =>
      (await read(path, group ? `${group}/${version}` : version))
        .filter(({ name }) => !name.includes('/'))
        .map(({ name, kind, namespaced, verbs }) => ({ group, version, kind, plural: name, namespaced, verbs })),
    ),
  );
  const found = new Map<string, DiscoveredResource>();
  for (const resource of lists.flat()) {
    const name = `${resource.group}/${resource.plural}`;
    if (!found.has(name)) found.set(name, resource);
  }
  return { resources: [...found.values()], failures };
}

/** Whether all of `verbs` are among what a resource can do. */
export const can = (resource: DiscoveredResource, ...verbs: readonly string[]): boolean =>
  verbs.every((verb) => resource.verbs.includes(verb));
