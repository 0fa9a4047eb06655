import { endpointSlices, services } from '../api/resource.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { objectKey, type WatchCache } from './cache/watch-cache.ts';

export interface ServicePort {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Why a Service cannot be reached; `reason` as an APIService's condition has it. */
export class Unreachable extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * One of the ready endpoints of a Service, by chance. This server may stand where virtual addresses are not known, and
 * speaks to endpoints itself (kube-apiserver's `--enable-aggregator-routing`).
 *
 * @throws Unreachable
 */
export function endpointOfService(cache: WatchCache, { namespace, name, port }: ServicePort): Endpoint {
  const quoted = JSON.stringify(name);
  const service = cache
    .resource(services)
    .get(objectKey(services, namespace, name))
    ?.parse<Service>();
  if (!service) throw new Unreachable('ServiceNotFound', `service ${quoted} not found`);
  if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName ?? '', port };
  const wanted = service.spec?.ports?.find((each) => each.port === port);
  if (!wanted) throw new Unreachable('ServicePortError', `no service port ${port} found for service ${quoted}`);
  const found = endpointsOf(cache, namespace, name, wanted.name ?? '');
  const chosen = found[Math.floor(Math.random() * found.length)];
  if (!chosen) throw new Unreachable('MissingEndpoints', `no endpoints available for service ${quoted}`);
  return chosen;
}

function endpointsOf(cache: WatchCache, namespace: string, service: string, portName: string): Endpoint[] {
  return cache
    .resource(endpointSlices)
    .list(objectKey(endpointSlices, namespace, ''))
    .filter(({ labels }) => labels['kubernetes.io/service-name'] === service)
    .flatMap((cached) => {
      const slice = cached.parse<EndpointSlice>();
      const port = slice.ports?.find((each) => (each.name ?? '') === portName)?.port;
      const ready = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
      return port ? ready.map(({ addresses: [host = ''] }) => ({ host, port })) : [];
    });
}
