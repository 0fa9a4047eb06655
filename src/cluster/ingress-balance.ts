import { setTimeout as delay } from 'node:timers/promises';
import { configMaps, endpointSlices, ingressClasses, ingresses, nodes, services } from '../api/resource.ts';
import { KnitError } from '../base/errors.ts';
import { keyOf } from '../client/cache.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { ownClassOf, parametersOf } from '../edge/ingress/classes.ts';
import { readSettings } from '../edge/ingress/settings.ts';
import type { IngressBalanceInput } from '../trace/ingress-balance.ts';
import type { ClusterConfig } from './config.ts';
import { accessLog } from './ingress-log.ts';

/** Reads what the balance of an Ingress is computed from. Throws `INGRESS_UNKNOWN`, `INGRESS_FOREIGN`. */
export async function readIngressBalanceInput(
  client: Client,
  ref: { readonly namespace: string; readonly name: string },
): Promise<IngressBalanceInput> {
  const { namespace } = ref;
  const [ingress, classes, maps, serviceList, slices, nodeList] = await Promise.all([
    client.get(ingresses, ref).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      const message = `there is no Ingress ${namespace}/${ref.name}`;
      throw new KnitError('INGRESS_UNKNOWN', message, 'see: kubectl get ingress -A');
    }),
    client.list(ingressClasses),
    client.list(configMaps),
    client.list(services, { namespace }),
    client.list(endpointSlices, { namespace }),
    client.list(nodes),
  ]);
  const ingressClass = ownClassOf(ingress, classes.items);
  if (!ingressClass) {
    const message = `the Ingress ${namespace}/${ref.name} is not of a class that knit serves`;
    throw new KnitError('INGRESS_FOREIGN', message, 'see: kubectl get ingressclass');
  }
  const { values } = parametersOf(ingressClass, (key) => maps.items.find((map) => keyOf(map) === key));
  return {
    ingress,
    settings: readSettings(ingress.metadata?.annotations ?? {}, values).settings,
    service: (key) => serviceList.items.find((service) => keyOf(service) === key),
    slices: (key) =>
      slices.items.filter(({ metadata }) => `${namespace}/${metadata?.labels?.['kubernetes.io/service-name']}` === key),
    nodes: nodeList.items,
  };
}

/** Requests by Service (`namespace/name:port`) and pod, as the access log tells of them for so many seconds. */
export async function measureIngress(
  config: ClusterConfig,
  ingress: string,
  seconds: number,
): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const counts = new Map<string, Map<string, number>>();
  const end = new AbortController();
  const time = delay(seconds * 1000).then(() => end.abort());
  for await (const { service = '', pod = '' } of accessLog(config, {
    tail: 0,
    follow: true,
    ingress,
    signal: end.signal,
  })) {
    const ofService = counts.get(service) ?? new Map<string, number>();
    counts.set(service, ofService.set(pod, (ofService.get(pod) ?? 0) + 1));
  }
  await time;
  return counts;
}
