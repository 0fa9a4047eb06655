import { ipAddresses, serviceCIDRs } from '../api/resource.ts';
import type { IPAddress, ServiceCIDR } from '../api/types.ts';
import { type CIDR, indexOf, overlaps, parseCIDR, sizeOf } from '../base/cidr.ts';
import type { Running } from '../base/running.ts';
import { isNotFound } from '../client/client.ts';
import type { ControllerContext } from './context.ts';
import { timestamp } from './time.ts';

const FINALIZER = 'networking.k8s.io/service-cidr-finalizer';
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const ALLOCATOR = 'ipallocator.k8s.io';

/** Every API server must have seen that a range goes, and given the last address of it, before it may be gone. */
const GRACE_MS = 10_000;

const READY = { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' };
const TERMINATING = {
  status: 'False',
  reason: 'Terminating',
  message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
};

/** Makes ServiceCIDRs ready, and keeps those that are deleted until no address depends on them (KEP-1880). */
export function startServiceCIDRController(context: ControllerContext): Running {
  const { client, informers, run, serviceCIDRGracePeriodMs = GRACE_MS } = context;
  const ranges = informers.informer(serviceCIDRs);
  const addresses = informers.informer(ipAddresses);

  const tell = async (range: ServiceCIDR, condition: typeof READY): Promise<void> => {
    const present = range.status?.conditions?.find(({ type }) => type === 'Ready');
    const { status, reason, message } = condition;
    if (present?.status === status && present.reason === reason && present.message === message) return;
    const conditions = [{ type: 'Ready', ...condition, lastTransitionTime: timestamp() }];
    await client.patch(serviceCIDRs, { name: nameOf(range) }, 'merge', { status: { conditions } }, 'status');
  };

  const setFinalizers = async ({ metadata }: ServiceCIDR, finalizers: readonly string[]): Promise<void> => {
    const patch = { metadata: { uid: metadata?.uid, resourceVersion: metadata?.resourceVersion, finalizers } };
    await client.patch(serviceCIDRs, { name: metadata?.name ?? '' }, 'merge', patch);
  };

  const finish = async (range: ServiceCIDR): Promise<void> => {
    if (isNeeded(range, ranges.list(), addresses.list())) return await tell(range, TERMINATING);
    const age = Date.now() - Date.parse(range.metadata?.deletionTimestamp ?? '');
    if (age < serviceCIDRGracePeriodMs) {
      controller.enqueueAfter(nameOf(range), serviceCIDRGracePeriodMs - age);
      return;
    }
    await setFinalizers(
      range,
      finalizersOf(range).filter((each) => each !== FINALIZER),
    );
  };

  const controller = run({
    name: 'service-cidr-controller',
    informers: [ranges, addresses],
    async sync(name) {
      const range = ranges.get(name);
      if (!range) return;
      try {
        if (range.metadata?.deletionTimestamp) {
          if (finalizersOf(range).includes(FINALIZER)) await finish(range);
        } else if (finalizersOf(range).includes(FINALIZER)) await tell(range, READY);
        // The change that this makes leads here again.
        else await setFinalizers(range, [...finalizersOf(range), FINALIZER]);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  });

  // One that comes or goes may let another one go, or keep it.
  ranges.onChange((range, old) => {
    controller.enqueue(nameOf(range ?? old));
    for (const other of ranges.list()) if (isDeleted(other)) controller.enqueue(nameOf(other));
  });
  addresses.onChange((address, old) => {
    const changed = address ?? old;
    if (!changed || !isManaged(changed)) return;
    for (const range of ranges.list()) {
      if (isDeleted(range) && offers(range, nameOf(changed))) controller.enqueue(nameOf(range));
    }
  });
  return controller;
}

const nameOf = (object: ServiceCIDR | IPAddress | undefined): string => object?.metadata?.name ?? '';
const finalizersOf = ({ metadata }: ServiceCIDR): readonly string[] => metadata?.finalizers ?? [];
const isDeleted = ({ metadata }: ServiceCIDR): boolean => metadata?.deletionTimestamp !== undefined;
const isManaged = ({ metadata }: IPAddress): boolean => metadata?.labels?.[MANAGED_BY] === ALLOCATOR;
const networksOf = ({ spec }: ServiceCIDR): CIDR[] => (spec?.cidrs ?? []).map(parseCIDR);

/** Whether a Service would lose its address with this range. */
function isNeeded(range: ServiceCIDR, all: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const others = all.filter((other) => nameOf(other) !== nameOf(range) && !isDeleted(other));
  const covers = (outer: CIDR, inner: CIDR) => overlaps(outer, inner) && outer.bits <= inner.bits;
  const isCovered = (network: CIDR) => others.some((other) => networksOf(other).some((each) => covers(each, network)));
  if (networksOf(range).every(isCovered)) return false;
  return addresses.some(
    (address) =>
      isManaged(address) && offers(range, nameOf(address)) && !others.some((other) => offers(other, nameOf(address))),
  );
}

/** Whether Services may get the address from this range: all but a network's own and, in IPv4, its last one. */
function offers(range: ServiceCIDR, address: string): boolean {
  return networksOf(range).some((network) => {
    const index = indexOf(network, address) ?? 0;
    return index !== 0 && (network.family === 'ipv6' || index !== sizeOf(network) - 1);
  });
}
