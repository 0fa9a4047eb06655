import { endpointSlices, namespaces, services } from '../api/resource.ts';
import type { EndpointSlice, KubeObject } from '../api/types.ts';
import type { InformerFactory } from '../client/informer.ts';
import { planService } from './records.ts';
import type { Zone } from './zone.ts';

const serviceNameLabel = 'kubernetes.io/service-name';

/** Keeps the zone as the API server's Services, EndpointSlices and Namespaces say: each change plans its Service anew. */
export function feedZone(zone: Zone, informers: InformerFactory): void {
  const serviceInformer = informers.informer(services);
  const sliceInformer = informers.informer(endpointSlices, { indexes: { service: serviceOf } });
  const namespaceInformer = informers.informer(namespaces);

  const plan = (key: string) => {
    const service = serviceInformer.get(key);
    const records = service ? planService(service, sliceInformer.byIndex('service', key), zone.domain) : [];
    zone.setService(key, records);
  };
  serviceInformer.onChange((service, old) => plan(keyOf(service ?? old)));
  sliceInformer.onChange((slice, old) => {
    const keys = new Set([slice, old].flatMap((each) => (each ? serviceOf(each) : [])));
    for (const key of keys) {
      // Endpoints of a Service with a virtual IP are not in the zone.
      if (serviceInformer.get(key)?.spec?.clusterIP === 'None') plan(key);
    }
  });
  namespaceInformer.onChange((namespace, old) =>
    zone.setNamespace((namespace ?? old)?.metadata?.name ?? '', namespace !== undefined),
  );
}

function serviceOf(slice: EndpointSlice): readonly string[] {
  const name = slice.metadata?.labels?.[serviceNameLabel];
  return name ? [`${slice.metadata?.namespace}/${name}`] : [];
}

function keyOf(object: KubeObject | undefined): string {
  return `${object?.metadata?.namespace}/${object?.metadata?.name}`;
}
