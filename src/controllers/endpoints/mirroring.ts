import { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { endpointSlices, endpoints, services } from '../../api/resource.ts';
import type { EndpointSlice, Endpoints } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { Expectations } from '../expectations.ts';
import { controllerReference } from '../owners.ts';
import { isHandMade, isSelecting } from './members.ts';
import { writeSlices } from './slice-writer.ts';
import { MANAGED_BY, plain, SERVICE_NAME } from './slices.ts';

const NAME = 'endpointslicemirroring-controller.k8s.io';
/** So many addresses of a subset are mirrored. */
const MAX_ADDRESSES = 1000;
const MIRROR_INDEX = 'serviceOfMirror';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

/** Tells in EndpointSlices what people write into Endpoints: the kernel's rules are made of slices only. */
export function startEndpointSliceMirroring({ client, informers, run }: ControllerContext): Controller {
  const allEndpoints = informers.informer(endpoints);
  const allServices = informers.informer(services);
  const slices = informers.informer(endpointSlices, { indexes: { [MIRROR_INDEX]: (slice) => [mirrored(slice)] } });
  const expectations = new Expectations();

  const controller = run({
    name: 'endpointslicemirroring-controller',
    informers: [allEndpoints, allServices, slices],
    async sync(key) {
      if (!expectations.fulfilled(key)) return;
      const source = allEndpoints.get(key);
      const service = allServices.get(key);
      const isMirrored = source && service && !isSelecting(service) && isHandMade(source);
      const wanted = isMirrored && !source.metadata?.deletionTimestamp ? slicesOf(source) : [];
      const present = [...slices.byIndex(MIRROR_INDEX, key)];
      const create: EndpointSlice[] = [];
      const update: EndpointSlice[] = [];
      for (const slice of wanted) {
        const at = present.findIndex((each) => each.addressType === slice.addressType && same(each.ports, slice.ports));
        const found = at < 0 ? undefined : present.splice(at, 1)[0];
        if (!found) create.push(slice);
        else if (!same(found.endpoints, slice.endpoints) || !same(found.metadata?.labels, slice.metadata?.labels)) {
          update.push({
            ...found,
            metadata: { ...found.metadata, labels: slice.metadata?.labels },
            endpoints: slice.endpoints,
          });
        }
      }
      await writeSlices(client, expectations, key, { create, update, remove: present });
    },
  });

  for (const informer of [allEndpoints, allServices]) {
    informer.onChange((object: Endpoints | undefined, old: Endpoints | undefined) => {
      const changed = object ?? old;
      if (changed) controller.enqueue(keyOf(changed));
    });
  }
  slices.onChange((slice, old) => {
    const changed = slice ?? old;
    const key = changed && mirrored(changed);
    if (!key) return;
    if (slice && !old) expectations.created(key);
    if (!slice) expectations.deleted(key, changed.metadata?.uid ?? '');
    controller.enqueue(key);
  });
  return controller;
}

/** The key of the Endpoints that a slice of ours mirrors. */
function mirrored({ metadata }: EndpointSlice): string {
  const service = metadata?.labels?.[SERVICE_NAME];
  return service && metadata?.labels?.[MANAGED_BY] === NAME ? `${metadata.namespace}/${service}` : '';
}

const same = (a: unknown, b: unknown): boolean => isDeepStrictEqual(plain(a), plain(b));

/** One slice for each subset and family of addresses. */
function slicesOf(source: Endpoints): EndpointSlice[] {
  const { name, namespace, labels } = source.metadata ?? {};
  return (source.subsets ?? []).flatMap((subset) => {
    const addresses = [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ].slice(0, MAX_ADDRESSES);
    return [...Map.groupBy(addresses, ({ address }) => (isIPv6(address.ip) ? 'IPv6' : 'IPv4'))].map(
      ([addressType, members]) => ({
        addressType,
        metadata: {
          generateName: `${name}-`,
          namespace,
          labels: { ...labels, [SERVICE_NAME]: name ?? '', [MANAGED_BY]: NAME },
          ownerReferences: [controllerReference(endpoints, source)],
        },
        ports: (subset.ports ?? []).map((port) => ({
          ...port,
          name: port.name ?? '',
          protocol: port.protocol ?? 'TCP',
        })),
        endpoints: members.map(({ address, ready }) => endpointOf(address, ready)),
      }),
    );
  });
}

function endpointOf({ ip, hostname, nodeName, targetRef }: Address, ready: boolean) {
  return { addresses: [ip], conditions: { ready }, hostname, nodeName, targetRef };
}
