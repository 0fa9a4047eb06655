import { endpointSlices, nodes, pods, services } from '../../api/resource.ts';
import type { EndpointSlice } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { isSelecting, membersOf, selects } from './members.ts';
import { writeSlices } from './slice-writer.ts';
import { CONTROLLER_NAME, MANAGED_BY, planSlices, SERVICE_NAME } from './slices.ts';

const SERVICE_INDEX = 'serviceOfManaged';
const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** Tells in EndpointSlices which pods serve each Service. */
export function startEndpointSliceController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allServices = informers.informer(services);
  const allPods = informers.informer(pods);
  const allNodes = informers.informer(nodes);
  const slices = informers.informer(endpointSlices, { indexes: { [SERVICE_INDEX]: (slice) => [serviceKey(slice)] } });
  const expectations = new Expectations();
  const events = context.events('endpoint-slice-controller');
  const zoneOf = (node: string) => allNodes.get(node)?.metadata?.labels?.[ZONE_LABEL];

  const controller = run({
    name: 'endpointslice-controller',
    informers: [allServices, allPods, allNodes, slices],
    workers: 5,
    async sync(key) {
      const service = allServices.get(key);
      if (!service) return expectations.forget(key);
      if (service.metadata?.deletionTimestamp || !isSelecting(service) || !expectations.fulfilled(key)) return;
      const present = slices.byIndex(SERVICE_INDEX, key).filter((slice) => !slice.metadata?.deletionTimestamp);
      const changes = planSlices(service, membersOf(service, allPods), present, zoneOf);
      try {
        await writeSlices(client, expectations, key, changes);
      } catch (error) {
        const message = `Error updating Endpoint Slices for Service ${key}: ${messageOf(error)}`;
        events.event(service, 'Warning', 'FailedToUpdateEndpointSlices', message);
        throw error;
      }
    },
  });

  allServices.onChange((service, old) => {
    const changed = service ?? old;
    if (!changed) return;
    if (!service) expectations.forget(keyOf(changed));
    controller.enqueue(keyOf(changed));
  });

  allPods.onChange((pod, old) => {
    for (const service of allServices.list((pod ?? old)?.metadata?.namespace ?? '')) {
      if ((pod && selects(service, pod)) || (old && selects(service, old))) controller.enqueue(keyOf(service));
    }
  });

  slices.onChange((slice, old) => {
    const changed = slice ?? old;
    const key = changed && serviceKey(changed);
    if (!key) return;
    if (slice && !old) expectations.created(key);
    if (!slice) expectations.deleted(key, changed.metadata?.uid ?? '');
    controller.enqueue(key);
  });

  allNodes.onChange((node, old) => {
    const zone = node?.metadata?.labels?.[ZONE_LABEL];
    if (zone === old?.metadata?.labels?.[ZONE_LABEL]) return;
    for (const service of allServices.list()) controller.enqueue(keyOf(service));
  });

  return controller;
}

/** Only of slices that this controller made. */
function serviceKey(slice: EndpointSlice): string {
  const { namespace, labels } = slice.metadata ?? {};
  const service = labels?.[SERVICE_NAME];
  return service && labels?.[MANAGED_BY] === CONTROLLER_NAME ? `${namespace}/${service}` : '';
}
