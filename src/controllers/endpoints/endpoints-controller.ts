import { isDeepStrictEqual } from 'node:util';
import { endpoints, pods, services } from '../../api/resource.ts';
import type { Endpoints, Service } from '../../api/types.ts';
import { keyOf, splitKey } from '../../client/cache.ts';
import { isAlreadyExists, isNotFound } from '../../client/client.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { HEADLESS_LABEL, isHeadless, isSelecting, membersOf, selects, TRIGGER_TIME, triggerTime } from './members.ts';
import { subsetsOf } from './subsets.ts';

const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';

/** Tells the same in v1 Endpoints, for those who still read them. */
export function startEndpointsController({ client, informers, run }: ControllerContext): Controller {
  const allServices = informers.informer(services);
  const allPods = informers.informer(pods);
  const allEndpoints = informers.informer(endpoints);

  const controller = run({
    name: 'endpoints-controller',
    informers: [allServices, allPods, allEndpoints],
    workers: 5,
    async sync(key) {
      const service = allServices.get(key);
      const present = allEndpoints.get(key);
      if (!service) {
        if (present?.metadata?.labels?.[MANAGED_BY]) await remove(key);
        return;
      }
      if (service.metadata?.deletionTimestamp || !isSelecting(service)) return;
      const wanted = wantedEndpoints(service, present);
      if (!present) await create(wanted);
      else if (!same(present, wanted)) await client.update(endpoints, wanted);
    },
  });

  const wantedEndpoints = (service: Service, present: Endpoints | undefined): Endpoints => {
    const members = membersOf(service, allPods);
    const { subsets, truncated } = subsetsOf(service, members);
    const { name, namespace, labels } = service.metadata ?? {};
    const time = triggerTime(service, members);
    const annotations = { ...present?.metadata?.annotations };
    delete annotations[OVER_CAPACITY];
    if (truncated) annotations[OVER_CAPACITY] = 'truncated';
    if (time) annotations[TRIGGER_TIME] = time;
    return {
      metadata: {
        ...(present?.metadata ?? { name, namespace }),
        annotations,
        labels: {
          ...labels,
          ...(isHeadless(service) ? { [HEADLESS_LABEL]: '' } : {}),
          [MANAGED_BY]: 'endpoint-controller',
        },
      },
      subsets,
    };
  };

  const create = async (object: Endpoints): Promise<void> => {
    try {
      await client.create(endpoints, object);
    } catch (error) {
      // The copy was old; its change will call again.
      if (!isAlreadyExists(error)) throw error;
    }
  };

  const remove = async (key: string): Promise<void> => {
    try {
      await client.delete(endpoints, splitKey(key));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  allServices.onChange((service, old) => {
    const changed = service ?? old;
    if (changed) controller.enqueue(keyOf(changed));
  });
  allEndpoints.onChange((object, old) => {
    const changed = object ?? old;
    if (changed) controller.enqueue(keyOf(changed));
  });
  allPods.onChange((pod, old) => {
    for (const service of allServices.list((pod ?? old)?.metadata?.namespace ?? '')) {
      if ((pod && selects(service, pod)) || (old && selects(service, old))) controller.enqueue(keyOf(service));
    }
  });
  return controller;
}

/** A newer time alone is no reason to write. */
function same(present: Endpoints, wanted: Endpoints): boolean {
  const what = ({ metadata, subsets = [] }: Endpoints): unknown =>
    JSON.parse(JSON.stringify({ subsets, labels: metadata?.labels, over: metadata?.annotations?.[OVER_CAPACITY] }));
  return isDeepStrictEqual(what(present), what(wanted));
}
