import { endpointSlices, namespaces, services } from '../api/resource.ts';
import type { EndpointSlice, KubeObject, Service } from '../api/types.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import { planService } from './records.ts';
import type { Zone } from './zone.ts';

const serviceNameLabel = 'kubernetes.io/service-name';
const headlessLabel = 'service.kubernetes.io/headless';
const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/**
 * The slices that may be of headless Services: their controller marks these, and of all others only those made by hand or
 * mirrored may be needed. The rest, with a virtual IP, are most of a cluster's slices and of their changes.
 */
const sliceSelectors = [headlessLabel, `!${headlessLabel},${managedByLabel}!=endpointslice-controller.k8s.io`];
/** When what led to the endpoints' change happened, as their controller says. */
const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time';

/**
 * Keeps the zone as the API server's Services, EndpointSlices and Namespaces say: each change plans its Service anew.
 * `programmed` is told how long after its cause a change of endpoints was in the zone, in seconds. Resolves when all is in
 * the zone that was there at the start.
 */
export async function feedZone(
  zone: Zone,
  informers: InformerFactory,
  programmed: (seconds: number) => void,
): Promise<void> {
  const serviceInformer = informers.informer(services, { transform: partOfService });
  const sliceInformers = sliceSelectors.map((labelSelector) =>
    informers.informer(endpointSlices, { labelSelector, indexes: { service: serviceOf }, transform: partOfSlice }),
  );
  const namespaceInformer = informers.informer(namespaces, { transform: identity });

  const plan = (key: string) => {
    const service = serviceInformer.get(key);
    const slices = sliceInformers.flatMap((informer) => informer.byIndex('service', key));
    zone.setService(key, service ? planService(service, slices, zone.domain) : []);
  };
  serviceInformer.onChange((service, old) => plan(keyOf(service ?? old)));
  const follow = (informer: Informer<EndpointSlice>) =>
    informer.onChange((slice, old) => {
      const keys = new Set([slice, old].flatMap((each) => (each ? serviceOf(each) : [])));
      for (const key of keys) {
        // Endpoints of a Service with a virtual IP are not in the zone.
        if (!isHeadless(serviceInformer.get(key))) continue;
        plan(key);
        const trigger = slice?.metadata?.annotations?.[triggerTime];
        if (trigger && informer.hasSynced && trigger !== old?.metadata?.annotations?.[triggerTime])
          programmed(Math.max(0, Date.now() - Date.parse(trigger)) / 1000);
      }
    });
  for (const informer of sliceInformers) follow(informer);
  namespaceInformer.onChange((namespace, old) =>
    zone.setNamespace((namespace ?? old)?.metadata?.name ?? '', namespace !== undefined),
  );
  await Promise.all([serviceInformer, ...sliceInformers, namespaceInformer].map(({ synced }) => synced));
}

/** Slices without endpoints have nothing to say. */
function serviceOf(slice: EndpointSlice): readonly string[] {
  if (!slice.endpoints?.length) return [];
  const name = slice.metadata?.labels?.[serviceNameLabel];
  return name ? [`${slice.metadata?.namespace}/${name}`] : [];
}

function keyOf(object: KubeObject | undefined): string {
  return `${object?.metadata?.namespace}/${object?.metadata?.name}`;
}

/** What is kept of each object: most of their bytes are of no use for names. */
function identity(object: KubeObject): KubeObject {
  const { name, namespace, resourceVersion } = object.metadata ?? {};
  return { metadata: { name, namespace, resourceVersion } };
}

function partOfService(service: Service): Service {
  const { type, clusterIP, clusterIPs, externalName, ports } = service.spec ?? {};
  if (type === 'ExternalName') return { ...identity(service), spec: { type, externalName } };
  const addresses = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  const part = ports?.map(({ name, port, protocol }) => ({ name, port, protocol }));
  return { ...identity(service), spec: { clusterIPs: addresses, ports: part } };
}

function isHeadless(service: Service | undefined): boolean {
  return service?.spec?.clusterIPs?.[0] === 'None';
}

function partOfSlice(slice: EndpointSlice): EndpointSlice {
  const { labels, annotations } = slice.metadata ?? {};
  const trigger = annotations?.[triggerTime];
  return {
    metadata: {
      ...identity(slice).metadata,
      labels: { [serviceNameLabel]: labels?.[serviceNameLabel] ?? '' },
      annotations: trigger ? { [triggerTime]: trigger } : undefined,
    },
    addressType: slice.addressType,
    ports: slice.ports?.map(({ name, port, protocol }) => ({ name, port, protocol })),
    endpoints: (slice.endpoints ?? []).map(({ addresses, hostname, conditions }) => ({
      addresses,
      hostname,
      conditions: { ready: conditions?.ready },
    })),
  };
}
