import type { Service, ServicePort } from '../../api/types.ts';
import { familyOf } from '../../base/cidr.ts';
import { type Backend, serviceText } from './endpoints.ts';
import type { Kernel, VirtualPort } from './kernel.ts';
import type { Finding, Report } from './model.ts';
import { podText } from './pods.ts';
import type { Asker } from './services.ts';

/** What keeps a client at one endpoint: session affinity, and what conntrack remembers of UDP. */

interface Client {
  readonly node: string;
  readonly address: string;
}

/** Who asks, as the rules of its node see it; `undefined` for those outside. */
function clientOf(from: Asker, family: string): Client | undefined {
  const node = from.kind === 'pod' ? from.pod.spec?.nodeName : from.kind === 'node' ? from.name : undefined;
  const own = from.kind === 'pod' ? (from.pod.status?.podIPs ?? []).map(({ ip }) => ip ?? '') : [];
  const addresses = from.kind === 'node' ? from.addresses : own;
  const address = addresses.find((each) => /[.:]/.test(each) && familyOf(each) === family);
  return node && address ? { node, address } : undefined;
}

function virtualPort({ spec }: Service, { protocol = 'TCP', port }: ServicePort): VirtualPort | undefined {
  const address = spec?.clusterIP;
  if (!address || address === 'None') return undefined;
  return { address, protocol: protocol === 'UDP' ? 'udp' : 'tcp', port };
}

/** The endpoint that session affinity keeps the asker at, by the kernel's word. */
export async function pinnedBackend(
  report: Report,
  kernel: Kernel,
  service: Service,
  port: ServicePort,
  from: Asker,
  backends: readonly Backend[],
): Promise<Backend | undefined> {
  const virtual = virtualPort(service, port);
  const client = virtual && clientOf(from, familyOf(virtual.address));
  if (!client || service.spec?.sessionAffinity !== 'ClientIP') return undefined;
  const pin = await kernel.pinnedTo(client.node, client.address, virtual);
  const backend = backends.find((each) => each.address === pin?.address && each.port === pin.port);
  if (backend)
    report.note('affinity', `${client.node} leads ${client.address} to ${nameOf(backend)}, where it was before`);
  return backend;
}

/** The asker is kept where it gets no answer, though others would give one. `why` is what is wrong there. */
export function reportPin(report: Report, service: Service, pinned: Backend, why: readonly Finding[]): void {
  const message = `session affinity keeps the asker at ${nameOf(pinned)}, the endpoint that does not answer it`;
  report.fail('affinity', 'SVC_AFFINITY_PINNED', serviceText(service), message, { causedBy: why });
}

/** Datagrams of sockets that go on to where a pod was: conntrack asks no rule again while they come. */
export async function checkTracked(
  report: Report,
  kernel: Kernel,
  service: Service,
  port: ServicePort,
  from: Asker,
  backends: readonly Backend[],
): Promise<void> {
  const virtual = virtualPort(service, port);
  const client = virtual?.protocol === 'udp' ? clientOf(from, familyOf(virtual.address)) : undefined;
  if (!client || !virtual) return;
  const flows = await kernel.flows(client.node, client.address, virtual);
  const stale = flows.filter(({ to }) => !backends.some(({ address }) => address === to));
  const [first] = stale;
  if (!first) return;
  const message = `conntrack of ${client.node} leads what ${client.address} sends from port ${first.sourcePort} to ${first.to}, which is no endpoint of ${serviceText(service)}`;
  const evidence = stale.slice(0, 4).map(({ sourcePort, to }) => `port ${sourcePort} → ${to}`);
  const mend = `Close the socket, or forget the flow: knit exec node/${client.node} -- conntrack -D -p udp --orig-src ${client.address} --orig-dst ${virtual.address} --reply-src ${first.to}`;
  report.fail('conntrack', 'KERNEL_CONNTRACK_STALE', `node ${client.node}`, message, { evidence, mend, partial: true });
}

const nameOf = ({ pod, address, port }: Backend): string => (pod ? podText(pod) : `${address}:${port}`);
