import { events, ipAddresses, services } from '../../api/resource.ts';
import type { Event, IPAddress, Service } from '../../api/types.ts';
import { RevisionConflict } from '../../store/store.ts';
import { familyOfAddress } from '../admission/service-families.ts';
import { ensure } from '../bootstrap.ts';
import { objectKey } from '../cache/watch-cache.ts';
import type { Context } from '../context.ts';
import { now, randomName } from '../registry/write.ts';
import type { AddressBook } from './book.ts';
import { recordKey, recordOf } from './record.ts';

/** An IPAddress without its Service stays for so long: another API server may be writing the Service. */
const ORPHAN_MS = 60_000;
const AGAIN_MS = 5000;

type Outcome = 'done' | 'later';

/** What a Service is told by an event. */
interface Complaint {
  readonly service: string;
  readonly reason: string;
  readonly message: string;
}

/**
 * Makes Services and IPAddresses name each other again where somebody wrote or deleted an IPAddress by hand, or where
 * Services are older than their IPAddresses (the repair loop of Kubernetes' pkg/registry/core/service/ipallocator).
 *
 * @returns what ends it
 */
export function startAddressRepair(context: Context, book: AddressBook): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  // Services that are older than their IPAddresses are nobody's fault.
  let tells = false;
  const plan = (ms: number) => {
    if (!stopped) timer ??= setTimeout(() => void run(), ms).unref();
  };
  const run = async () => {
    timer = undefined;
    const outcomes = await Promise.all([...book.disagreeing].map((address) => attempt(context, book, address, tells)));
    tells = true;
    if (outcomes.includes('later')) plan(AGAIN_MS);
  };
  book.onDisagreement(() => plan(0));
  plan(0);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

async function attempt(context: Context, book: AddressBook, address: string, tells: boolean): Promise<Outcome> {
  try {
    const owners = book.servicesOf(address);
    if (owners.length === 0) return await removeOrphan(context, address);
    const complaints = await repair(context, book, address, owners);
    if (tells) for (const { service, reason, message } of complaints) await tell(context, service, reason, message);
    return 'done';
  } catch (error) {
    if (!(error instanceof RevisionConflict)) context.log.warn('an IPAddress was not repaired', { address, error });
    return 'later';
  }
}

async function repair(
  context: Context,
  book: AddressBook,
  address: string,
  owners: readonly string[],
): Promise<Complaint[]> {
  const holder = book.holderOf(address);
  const holds = owners.find((owner) => owner === holder?.service);
  if (!holds || !holder?.managed) await recreate(context, address, holds ?? owners[0] ?? '');
  const what = `Cluster IP [${familyOfAddress(address)}]: ${address}`;
  const [first = ''] = owners;
  const wrong = holder ? 'has a wrong reference' : 'is not allocated';
  const twice = `${what} was assigned to multiple services; please recreate service`;
  return [
    ...(holds ? [] : [{ service: first, reason: 'ClusterIPNotAllocated', message: `${what} ${wrong}; repairing` }]),
    ...owners
      .filter((owner) => owner !== (holds ?? first))
      .map((service) => ({ service, reason: 'ClusterIPAlreadyAllocated', message: twice })),
  ];
}

/** Makes the address's IPAddress name this Service. */
async function recreate(context: Context, address: string, service: string): Promise<void> {
  const [namespace = '', name = ''] = service.split('/');
  const present = context.cache.resource(ipAddresses).get(recordKey(address));
  if (present) await context.store.delete(present.key, present.revision);
  await context.store.put(recordKey(address), recordOf(address, { namespace, name }), 0);
}

async function removeOrphan(context: Context, address: string): Promise<Outcome> {
  const present = context.cache.resource(ipAddresses).get(recordKey(address));
  if (!present) return 'done';
  const age = Date.now() - Date.parse(present.parse<IPAddress>().metadata?.creationTimestamp ?? '');
  if (age < ORPHAN_MS) return 'later';
  context.log.warn('an IPAddress names no Service that has it; it goes', { address });
  await context.store.delete(present.key, present.revision);
  return 'done';
}

async function tell(context: Context, service: string, reason: string, message: string): Promise<void> {
  const [namespace = '', name = ''] = service.split('/');
  const { metadata } =
    context.cache
      .resource(services)
      .get(objectKey(services, namespace, name))
      ?.parse<Service>() ?? {};
  const time = now();
  await ensure<Event>(context, events, {
    metadata: { namespace, name: `${name}.${randomName(16)}` },
    involvedObject: { apiVersion: 'v1', kind: 'Service', namespace, name, uid: metadata?.uid },
    type: 'Warning',
    reason,
    message,
    action: 'ClusterIPAllocation',
    source: { component: 'ipallocator-repair-controller' },
    reportingComponent: 'ipallocator-repair-controller',
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  });
}
