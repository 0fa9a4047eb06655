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
  ipModeAnnotation,
  isBalanced,
  keyOf,
  loadBalancerClass,
} from './addresses.ts';

export interface AddressControllerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly pools: readonly AddressPool[];
}

/** One key: who gets an address depends on what all others have. */
const ALL = 'all';

/**
 * Writes `status.loadBalancer` of Services of type LoadBalancer. What each has is read from the Services themselves, so
 * that nothing is forgotten over a restart and an address is free as soon as its Service is gone.
 */
export function startAddressController(options: AddressControllerOptions): Controller {
  const { client, informers, log, events, pools } = options;
  const informer = informers.informer(services);
  const told = new Map<string, string>();

  const tell = (service: Service, { trouble }: { trouble: string }) => {
    if (told.get(keyOf(service)) === trouble) return;
    told.set(keyOf(service), trouble);
    events.event(service, 'Warning', 'SyncLoadBalancerFailed', `Error syncing load balancer: ${trouble}`);
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
          if (assignment && 'trouble' in assignment) tell(service, assignment);
          else told.delete(keyOf(service));
          const status = statusFor(service, assignment);
          if (status === undefined) return;
          const { namespace, name = '' } = service.metadata ?? {};
          await client.patch(services, { namespace, name }, 'merge', { status: { loadBalancer: status } }, 'status');
          const addresses = status.ingress?.map((each) => each.ip).join(', ');
          if (addresses)
            events.event(service, 'Normal', 'EnsuredLoadBalancer', `Ensured load balancer with ${addresses}`);
        }),
      );
    },
  });

  informer.onChange((now, old) => {
    if ([now, old].some((service) => service && (isBalanced(service) || hasAddress(service)))) controller.enqueue(ALL);
  });
  return controller;
}

interface LoadBalancerStatus {
  /** Null takes the addresses away, in a merge patch. */
  readonly ingress: { ip: string; ipMode: string }[] | null;
}

/** What `status.loadBalancer` has to become; undefined where it is right already, or not ours to write. */
function statusFor(service: Service, assignment: Assignment | undefined): LoadBalancerStatus | undefined {
  // Of another class is somebody else's; what changed its type has no class any more.
  if (!assignment && (service.spec?.loadBalancerClass ?? loadBalancerClass) !== loadBalancerClass) return undefined;
  const addresses = assignment && 'addresses' in assignment ? assignment.addresses : [];
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

function hasAddress(service: Service): boolean {
  return (service.status?.loadBalancer?.ingress ?? []).length > 0;
}
