import { services } from '../../api/resource.ts';
import type { Service } from '../../api/types.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { InformerFactory } from '../../client/informer.ts';
import {
  type AddressPool,
  type Assignment,
  assignAddresses,
  hasAddresses,
  ipModeAnnotation,
  isBalanced,
  isOurClass,
  keyOf,
} from './addresses.ts';

export interface AddressControllerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly pools: readonly AddressPool[];
}

/** As long as a Service has it, there may be a load balancer for it (the name is that of cloud-provider's). */
const cleanupFinalizer = 'service.kubernetes.io/load-balancer-cleanup';

/** One key: who gets an address depends on what all others have. */
const ALL = 'all';

/**
 * Writes `status.loadBalancer` and the finalizer of Services of type LoadBalancer. What each has is read from the Services
 * themselves, so that nothing is forgotten over a restart and an address is free as soon as its Service is gone.
 */
export function startAddressController(options: AddressControllerOptions): Controller {
  const { client, informers, log, events, pools } = options;
  const informer = informers.informer(services);
  const told = new Map<string, string>();

  const tell = (service: Service, trouble: string) => {
    if (told.get(keyOf(service)) === trouble) return;
    told.set(keyOf(service), trouble);
    events.event(service, 'Warning', 'SyncLoadBalancerFailed', `Error syncing load balancer: ${trouble}`);
  };

  const setStatus = async (service: Service, status: LoadBalancerStatus | undefined): Promise<Service> => {
    if (status === undefined) return service;
    const body = { status: { loadBalancer: status } };
    const now = await client.patch(services, refOf(service), 'merge', body, 'status');
    const addresses = status.ingress?.map((each) => each.ip).join(', ');
    if (addresses) events.event(service, 'Normal', 'EnsuredLoadBalancer', `Ensured load balancer with ${addresses}`);
    return now;
  };

  const setFinalizer = async (service: Service, wanted: boolean) => {
    if (hasFinalizer(service) === wanted) return;
    const { resourceVersion, finalizers = [] } = service.metadata ?? {};
    const others = finalizers.filter((each) => each !== cleanupFinalizer);
    const metadata = { resourceVersion, finalizers: wanted ? [...others, cleanupFinalizer] : others };
    await client.patch(services, refOf(service), 'merge', { metadata });
  };

  const controller = runController({
    name: 'service-lb-controller',
    log,
    informers: [informer],
    workers: 1,
    async sync() {
      const all = informer.list();
      const assigned = assignAddresses(all, pools);
      for (const key of told.keys()) if (!assigned.has(key)) told.delete(key);
      await Promise.all(
        all.map(async (service) => {
          const assignment = assigned.get(keyOf(service));
          if (assignment?.trouble) tell(service, assignment.trouble);
          else told.delete(keyOf(service));
          if (isBalanced(service)) await setFinalizer(service, true);
          const now = await setStatus(service, statusFor(service, assignment));
          if (isOurs(service) && !isBalanced(service)) await setFinalizer(now, false);
        }),
      );
    },
  });

  informer.onChange((now, old) => {
    if ([now, old].some((service) => service && concerns(service))) controller.enqueue(ALL);
  });
  return controller;
}

interface LoadBalancerStatus {
  /** Null takes the addresses away, in a merge patch. */
  readonly ingress: { ip: string; ipMode: string }[] | null;
}

/** What `status.loadBalancer` has to become; undefined where it is right already, or not ours to write. */
function statusFor(service: Service, assignment: Assignment | undefined): LoadBalancerStatus | undefined {
  if (!assignment && !isOurs(service)) return undefined;
  const addresses = assignment?.addresses ?? [];
  const ipMode = service.metadata?.annotations?.[ipModeAnnotation] === 'Proxy' ? 'Proxy' : 'VIP';
  const wanted = addresses.map((ip) => ({ ip, ipMode }));
  const present = service.status?.loadBalancer?.ingress ?? [];
  if (present.length === wanted.length && wanted.every((each, index) => sameIngress(each, present[index]))) {
    return undefined;
  }
  return { ingress: wanted.length > 0 ? wanted : null };
}

function sameIngress(a: { ip: string; ipMode: string }, b: { ip?: string; ipMode?: string } | undefined): boolean {
  return a.ip === b?.ip && a.ipMode === (b.ipMode ?? 'VIP');
}

function isOurs({ spec }: Service): boolean {
  return isOurClass(spec?.loadBalancerClass);
}

function concerns(service: Service): boolean {
  return hasAddresses(service) || hasAddress(service) || hasFinalizer(service);
}

function hasFinalizer({ metadata }: Service): boolean {
  return metadata?.finalizers?.includes(cleanupFinalizer) ?? false;
}

function refOf({ metadata }: Service) {
  return { namespace: metadata?.namespace, name: metadata?.name ?? '' };
}

function hasAddress(service: Service): boolean {
  return (service.status?.loadBalancer?.ingress ?? []).length > 0;
}
