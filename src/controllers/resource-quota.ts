import { addAll, type Quantities } from '../api/pod-resources.ts';
import { formatQuantity } from '../api/quantity.ts';
import { isInScope, kindOf, usageOf } from '../api/quota.ts';
import { type Resource, resourceQuotas } from '../api/resource.ts';
import type { KubeObject, ResourceQuota } from '../api/types.ts';
import { keyOf } from '../client/cache.ts';
import type { Controller } from '../client/controller.ts';
import type { Informer } from '../client/informer.ts';
import type { ControllerContext } from './context.ts';
import { type DiscoveredResource, discover } from './discovery.ts';
import { writeStatus } from './status.ts';

/** Tells in each quota what is used of it. That no more is used, the API server sees to. */
export function startResourceQuotaController({ client, informers, run }: ControllerContext): Controller {
  const quotas = informers.informer(resourceQuotas);
  /** Of the kinds that any quota speaks of, by group and plural. */
  const watched = new Map<string, Informer<KubeObject>>();
  let known: readonly DiscoveredResource[] = [];

  const controller = run({
    name: 'resourcequota-controller',
    informers: [quotas],
    async sync(key) {
      const quota = quotas.get(key);
      if (!quota || quota.metadata?.deletionTimestamp) return;
      const hard = quota.spec?.hard ?? {};
      const used: Quantities = new Map();
      for (const informer of await informersOf(Object.keys(hard))) {
        for (const object of informer.list(quota.metadata?.namespace)) {
          if (isInScope(quota, informer.resource, object)) addAll(used, usageOf(informer.resource, object));
        }
      }
      const shown = Object.keys(hard).map((name) => {
        const amount = used.get(name);
        return [name, amount ? formatQuantity(amount) : '0'] as const;
      });
      await writeStatus(client, resourceQuotas, quota, { hard, used: Object.fromEntries(shown) });
    },
  });

  const informersOf = async (names: readonly string[]): Promise<Informer<KubeObject>[]> => {
    const ids = new Set(names.flatMap((name) => kindOf(name) ?? []).map(({ group, plural }) => `${group}/${plural}`));
    const found: Informer<KubeObject>[] = [];
    for (const id of ids) {
      const informer = watched.get(id) ?? (await watch(id));
      if (informer) found.push(informer);
    }
    return found;
  };

  const watch = async (id: string): Promise<Informer<KubeObject> | undefined> => {
    const find = (): Resource | undefined => known.find(({ group, plural }) => `${group}/${plural}` === id);
    if (!find()) known = (await discover(client)).resources;
    const resource = find();
    if (!resource) return undefined;
    const informer = informers.informer(resource);
    watched.set(id, informer);
    await informers.start();
    informer.onChange((object, old) => enqueueIn((object ?? old)?.metadata?.namespace));
    return informer;
  };

  const enqueueIn = (namespace: string | undefined): void => {
    if (namespace === undefined) return;
    for (const quota of quotas.list(namespace)) controller.enqueue(keyOf(quota));
  };

  quotas.onChange((quota: ResourceQuota | undefined) => {
    if (quota) controller.enqueue(keyOf(quota));
  });
  return controller;
}
