import type { Endpoints, Pod, Service } from '../../api/types.ts';
import { isReady, isTerminating } from '../pods.ts';
import { addressOf, familiesOf, hostnameOf, type Port, portsOf } from './members.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

/** What one object may list; the rest is in EndpointSlices only. */
const MAX_ADDRESSES = 1000;

interface Entry {
  readonly address: Address;
  readonly ready: boolean;
  readonly ports: readonly Port[];
}

/**
 * The subsets of v1 Endpoints in their canonical form: each port once, ports that lead to the same addresses together,
 * everything sorted, so that the same pods always give the same object.
 */
export function subsetsOf(
  service: Service,
  members: readonly Pod[],
): { readonly subsets: Subset[]; readonly truncated: boolean } {
  const all = entriesOf(service, members);
  // Ready ones are worth more than others.
  const entries = all.toSorted((a, b) => Number(b.ready) - Number(a.ready)).slice(0, MAX_ADDRESSES);
  const byPort = new Map<string, { readonly port: Port | undefined; readonly entries: Entry[] }>();
  for (const entry of entries) {
    const ports = entry.ports.length > 0 ? entry.ports : [undefined];
    for (const port of ports) {
      const id = JSON.stringify(port ?? null);
      const members = byPort.get(id) ?? { port, entries: [] };
      byPort.set(id, members);
      members.entries.push(entry);
    }
  }
  const byMembers = new Map<string, { readonly ports: Port[]; readonly entries: Entry[] }>();
  for (const { port, entries: some } of byPort.values()) {
    const id = JSON.stringify(some.map(({ address }) => address.targetRef?.uid).sort());
    const subset = byMembers.get(id) ?? { ports: [], entries: some };
    byMembers.set(id, subset);
    if (port) subset.ports.push(port);
  }
  const subsets = [...byMembers.values()].map(({ ports, entries: some }) => toSubset(ports, some));
  const id = (subset: Subset) => JSON.stringify(subset);
  return { subsets: subsets.sort((a, b) => (id(a) < id(b) ? -1 : 1)), truncated: all.length > MAX_ADDRESSES };
}

function entriesOf(service: Service, members: readonly Pod[]): Entry[] {
  const anyway = service.spec?.publishNotReadyAddresses === true;
  const family = familiesOf(service)[0] ?? 'IPv4';
  return members.flatMap((pod) => {
    const ip = addressOf(pod, family);
    const ports = portsOf(service, pod);
    const nowhere = ports.length === 0 && (service.spec?.ports ?? []).length > 0;
    if (!ip || nowhere || (isTerminating(pod) && !anyway)) return [];
    const { name, namespace, uid } = pod.metadata ?? {};
    const address = {
      ip,
      hostname: hostnameOf(service, pod),
      nodeName: pod.spec?.nodeName,
      targetRef: { kind: 'Pod', namespace, name, uid },
    };
    return [{ address, ready: anyway || isReady(pod), ports }];
  });
}

function toSubset(ports: readonly Port[], entries: readonly Entry[]): Subset {
  const addresses = (ready: boolean): Address[] | undefined => {
    const some = entries.filter((entry) => entry.ready === ready).map(({ address }) => address);
    return some.length > 0 ? some.sort((a, b) => (a.ip < b.ip ? -1 : 1)) : undefined;
  };
  return {
    addresses: addresses(true),
    notReadyAddresses: addresses(false),
    ports: ports
      .map(({ name, port = 0, protocol, appProtocol }) => ({ name: name || undefined, port, protocol, appProtocol }))
      .sort((a, b) => (a.name ?? '').localeCompare(b.name ?? '') || a.port - b.port),
  };
}
