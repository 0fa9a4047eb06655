import { apiVersion } from '../api/resource.ts';
import type { KubeObject, OwnerReference } from '../api/types.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { pathOf } from '../client/paths.ts';
import { discover } from './discovery.ts';

/** `autoscaling/v1` Scale. */
export interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas?: number; selector?: string };
}

export type ScaleTarget = Pick<OwnerReference, 'apiVersion' | 'kind' | 'name'>;

/** Numbers of pods of whatever has the `scale` subresource, of custom kinds too. */
export interface Scales {
  /** `undefined` where there is no such object, or where it has no scale. */
  get(namespace: string, target: ScaleTarget): Promise<Scale | undefined>;
  set(namespace: string, target: ScaleTarget, replicas: number): Promise<void>;
}

export function createScales(client: Client): Scales {
  /** Paths of collections by kind; looked up when one is asked for that is not known. */
  let plurals: ReadonlyMap<string, Parameters<typeof pathOf>[0]> = new Map();

  const pathTo = async (namespace: string, target: ScaleTarget): Promise<string | undefined> => {
    const id = (group: string, kind: string) => `${group}/${kind}`;
    const [group = ''] = target.apiVersion?.includes('/') ? target.apiVersion.split('/') : [''];
    const wanted = id(group, target.kind);
    if (!plurals.has(wanted)) {
      plurals = new Map(
        (await discover(client)).resources.map((resource) => [id(resource.group, resource.kind), resource]),
      );
    }
    const resource = plurals.get(wanted);
    if (!resource) return undefined;
    const version =
      apiVersion(resource) === target.apiVersion ? resource.version : target.apiVersion?.split('/').at(-1);
    const named = { ...resource, version: version ?? resource.version };
    return pathOf(named, { namespace, name: target.name, subresource: 'scale' });
  };

  return {
    async get(namespace, target) {
      const path = await pathTo(namespace, target);
      if (!path) return undefined;
      try {
        return JSON.parse(await client.raw('GET', path)) as Scale;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async set(namespace, target, replicas) {
      const path = await pathTo(namespace, target);
      if (!path) throw new Error(`${target.kind} ${target.name} cannot be scaled`);
      const present = JSON.parse(await client.raw('GET', path)) as Scale;
      await client.raw('PUT', path, JSON.stringify({ ...present, spec: { ...present.spec, replicas } }));
    },
  };
}
