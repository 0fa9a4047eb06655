import { endpointSlices, nodes, pods, services } from '../../api/resource.ts';
import type { EndpointSlice, Service } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { isSelecting, membersOf, selects } from './members.ts';
import { writeSlices } from './slice-writer.ts';
import { CONTROLLER_NAME, MANAGED_BY, planSlices, SERVICE_NAME, type Zoned, type Zones } from './slices.ts';
import { asksForZones, weightOf, ZONE_LABEL, type ZoneShares, zoneSharesOf } from './topology.ts';

const SERVICE_INDEX = 'serviceOfManaged';

/** Tells in EndpointSlices which pods serve each Service. */
export function startEndpointSliceController(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allServices = informers.informer(services);
  const allPods = informers.informer(pods);
  const allNodes = informers.informer(nodes);
  const slices = informers.informer(endpointSlices, { indexes: { [SERVICE_INDEX]: (slice) => [serviceKey(slice)] } });
  const expectations = new Expectations();
  const events = context.events('endpoint-slice-controller');
  let shares: { readonly value: ZoneShares | undefined } | undefined;
  const zones: Zones = {
    of: (node) => allNodes.get(node)?.metadata?.labels?.[ZONE_LABEL],
    get shares() {
      shares ??= { value: zoneSharesOf(allNodes.list()) };
      return shares.value;
    },
  };
  /** Services whose endpoints were dealt out to zones. */
  const zoned = new Set<string>();

  const tellZones = (service: Service, families: readonly Zoned[]): void => {
    const key = keyOf(service);
    for (const { family, before, why } of families) {
      const type = why ? 'Warning' : 'Normal';
      const message = why ?? 'Topology Aware Hints has been enabled';
      const reason = why ? 'TopologyAwareHintsDisabled' : 'TopologyAwareHintsEnabled';
      if (why || !before) events.event(service, type, reason, `${message}, addressType: ${family}`);
    }
    if (families.some(({ why }) => !why)) zoned.add(key);
    else if (zoned.delete(key) && families.length === 0) {
      events.event(service, 'Warning', 'TopologyAwareHintsDisabled', 'Topology Aware Hints has been disabled');
    }
  };

  const controller = run({
    name: 'endpointslice-controller',
    informers: [allServices, allPods, allNodes, slices],
    workers: 5,
    async sync(key) {
      const service = allServices.get(key);
      if (!service) return expectations.forget(key);
      if (service.metadata?.deletionTimestamp || !isSelecting(service) || !expectations.fulfilled(key)) return;
      const present = slices.byIndex(SERVICE_INDEX, key).filter((slice) => !slice.metadata?.deletionTimestamp);
      const changes = planSlices(service, membersOf(service, allPods), present, zones);
      tellZones(service, changes.zoned);
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
    if (!service) {
      expectations.forget(keyOf(changed));
      zoned.delete(keyOf(changed));
    }
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
    const moved = node?.metadata?.labels?.[ZONE_LABEL] !== old?.metadata?.labels?.[ZONE_LABEL];
    if (!moved && weightOf(node) === weightOf(old)) return;
    shares = undefined;
    for (const service of allServices.list()) if (moved || asksForZones(service)) controller.enqueue(keyOf(service));
  });

  return controller;
}

/** Only of slices that this controller made. */
function serviceKey(slice: EndpointSlice): string {
  const { namespace, labels } = slice.metadata ?? {};
  const service = labels?.[SERVICE_NAME];
  return service && labels?.[MANAGED_BY] === CONTROLLER_NAME ? `${namespace}/${service}` : '';
}
