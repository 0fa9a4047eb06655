import type { Node, Pod, Service, ServicePort } from '../../api/types.ts';
import { isLoopback } from '../predict/services.ts';
import { type Backend, serviceText } from './endpoints.ts';
import type { Facts } from './facts.ts';
import type { Report } from './model.ts';
import { checkMtu } from './mtu.ts';
import { podText } from './pods.ts';
import type { Asker, Sender } from './services.ts';

/** A socket that takes connections or datagrams. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

/** A Service's virtual address with one of its ports. */
export interface VirtualPort {
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** Where a client's connection to a virtual address was led to. */
export interface TrackedFlow {
  readonly sourcePort: number;
  readonly to: string;
}

/** In bytes. */
export interface NodeMtus {
  /** Of the link to other nodes. */
  readonly uplink: number;
  /** Of the device of the tunnels between nodes, where there is one. */
  readonly tunnel?: number;
  /** What such a tunnel adds to a packet, in bytes. */
  readonly around?: number;
}

/** What the kernel of this machine says; there for clusters that stand on it. */
export interface Kernel {
  /** `undefined` where the pod has no process here. */
  listeners(pod: Pod): Promise<readonly Listener[] | undefined>;
  isAgentRunning(node: string): boolean;
  /** Whether the node's rules translate this virtual address. */
  knowsService(node: string, address: string, protocol: string, port: number): Promise<boolean>;
  forwards(node: string): Promise<boolean>;
  /** Whether pods reach a destination under the node's address; `excepted`: they do others, and not this one. */
  masquerades(node: string, destination: string): Promise<'yes' | 'excepted' | 'no'>;
  /** Rules of others that drop or reject, as the kernel lists them. */
  foreignDrops(node: string): Promise<readonly string[]>;
  /**
   * Destinations to which the network between nodes has routes, or with an overlay the node that sends. `undefined`
   * where nobody knows which node that is.
   */
  routes(sender: string | undefined): Promise<readonly string[] | undefined>;
  isLinkUp(pod: Pod): Promise<boolean>;
  /** The endpoint at which session affinity keeps a client; `undefined` where it would get one anew. */
  pinnedTo(node: string, client: string, to: VirtualPort): Promise<{ address: string; port: number } | undefined>;
  /** Connections of a client to a virtual address that conntrack of the node knows. */
  flows(node: string, client: string, to: VirtualPort): Promise<readonly TrackedFlow[]>;
  /** `undefined` where the node's links are not to be seen. */
  mtus(node: string): Promise<NodeMtus | undefined>;
  podMtu(pod: Pod): Promise<number | undefined>;
}

/** Everything that the asker's own node does to a packet on its way out. */
export async function checkSender(report: Report, kernel: Kernel, from: Asker): Promise<void> {
  if (from.kind === 'outside') return;
  const node = from.kind === 'node' ? from.name : (from.pod.spec?.nodeName ?? '');
  await checkNodeKernel(report, kernel, node);
  if (from.kind === 'pod') await checkLink(report, kernel, from.pod);
}

async function checkNodeKernel(report: Report, kernel: Kernel, node: string): Promise<void> {
  const subject = `node ${node}`;
  if (!(await kernel.forwards(node)))
    report.fail('kernel', 'NODE_FORWARDING_OFF', subject, `${node} does not forward packets: net.ipv4.ip_forward is 0`);
  const drops = await kernel.foreignDrops(node);
  if (drops.length > 0) {
    const message = `rules on ${node} that are not the cluster's drop packets`;
    report.fail('kernel', 'KERNEL_FOREIGN_DROP', subject, message, { evidence: drops });
  }
}

async function checkLink(report: Report, kernel: Kernel, pod: Pod): Promise<void> {
  if (pod.spec?.hostNetwork || (await kernel.isLinkUp(pod))) return;
  report.fail('kernel', 'KERNEL_POD_LINK_DOWN', podText(pod), `the link of ${podText(pod)} is down`);
}

/** Whether the asker's node translates a Service's virtual address. */
export async function checkRules(
  report: Report,
  kernel: Kernel,
  service: Service,
  port: ServicePort,
  from: Asker,
): Promise<void> {
  const { clusterIP } = service.spec ?? {};
  if (from.kind === 'outside' || !clusterIP || clusterIP === 'None') return;
  const node = from.kind === 'node' ? from.name : (from.pod.spec?.nodeName ?? '');
  if (node === '') return;
  if (await kernel.knowsService(node, clusterIP, (port.protocol ?? 'TCP').toLowerCase(), port.port)) {
    report.pass('kernel', `${node} translates ${clusterIP}:${port.port}`);
    return;
  }
  const agent = checkAgent(report, kernel, node);
  const message = `the kernel of ${node} has no rule for ${serviceText(service)}, ${clusterIP}:${port.port}`;
  report.fail('kernel', 'KERNEL_RULES_MISSING', `node ${node}`, message, agent ? { causedBy: [agent] } : {});
}

/** Without it nothing on the node is brought up to date. */
function checkAgent(report: Report, kernel: Kernel, node: string) {
  if (kernel.isAgentRunning(node)) return undefined;
  return report.fail('agent', 'AGENT_DOWN', `node ${node}`, `the agent of ${node} does not run`);
}

/** The last steps: the way to the pod's node, its link, and whether anybody listens. */
export async function checkReceiver(
  report: Report,
  facts: Facts,
  kernel: Kernel,
  backend: Backend,
  protocol: 'tcp' | 'udp' | 'icmp',
  from: Sender,
  partial: boolean,
): Promise<void> {
  const { pod } = backend;
  if (!pod || pod.metadata?.deletionTimestamp !== undefined) return;
  const nodeName = pod.spec?.nodeName ?? '';
  const senderNode = from.kind === 'pod' ? from.pod.spec?.nodeName : from.kind === 'node' ? from.name : undefined;
  if (nodeName !== senderNode) {
    const node = await facts.node(nodeName);
    if (node) await checkRoute(report, kernel, node, senderNode, partial);
    await checkNodeKernel(report, kernel, nodeName);
    if (senderNode !== undefined) {
      const pods = [...(from.kind === 'pod' ? [from.pod] : []), pod].filter(({ spec }) => !spec?.hostNetwork);
      await checkMtu(report, kernel, { nodes: [senderNode, nodeName], pods });
    }
  }
  await checkLink(report, kernel, pod);
  if (protocol !== 'icmp') await checkListener(report, kernel, backend, protocol, partial);
}

async function checkRoute(
  report: Report,
  kernel: Kernel,
  { metadata, spec }: Node,
  sender: string | undefined,
  partial: boolean,
): Promise<void> {
  const cidr = spec?.podCIDR;
  const routes = await kernel.routes(sender);
  if (!cidr || !routes || routes.includes(cidr)) return;
  const message = `the network between the nodes has no route to ${cidr}, the pods of ${metadata?.name}`;
  report.fail('route', 'NODE_ROUTE_MISSING', `node ${metadata?.name}`, message, { partial });
}

async function checkListener(
  report: Report,
  kernel: Kernel,
  { pod, port, address }: Backend,
  protocol: 'tcp' | 'udp',
  partial: boolean,
): Promise<void> {
  const all = pod && (await kernel.listeners(pod));
  if (!pod || !all) return;
  const own = all.filter((each) => each.protocol === protocol);
  const here = own.filter((each) => each.port === port);
  const any = here.find((each) => !isLoopback(each.address));
  if (any) {
    report.pass('listener', `${podText(pod)} listens on ${protocol.toUpperCase()} port ${port}`);
    return;
  }
  const shown = own.map((each) => `${each.address}:${each.port}`).join(', ');
  const evidence = [`it listens on ${shown || 'nothing'}`];
  if (here.length > 0) {
    const message = `${podText(pod)} listens on ${here[0]?.address}:${port} only, and packets come to ${address}`;
    report.fail('listener', 'SVC_LISTENS_ON_LOOPBACK', podText(pod), message, { evidence, partial });
  } else {
    const message = `nothing in ${podText(pod)} listens on ${protocol.toUpperCase()} port ${port}`;
    report.fail('listener', 'SVC_TARGET_PORT_CLOSED', podText(pod), message, { evidence, partial });
  }
}

/** Whether a pod's packets to the outside leave under its node's address. */
export async function checkMasquerade(report: Report, kernel: Kernel, from: Asker, destination: string): Promise<void> {
  const node = from.kind === 'pod' ? from.pod.spec?.nodeName : undefined;
  const does = node === undefined ? 'yes' : await kernel.masquerades(node, destination);
  if (node === undefined || does === 'yes') return;
  if (does === 'excepted') {
    const message = `${node} lets packets of its pods out to ${destination} under their own addresses, which nobody there can answer`;
    const evidence = [`nonMasqueradeCIDRs of the ConfigMap kube-system/ip-masq-agent have ${destination}`];
    const mend = `Take the network of ${destination} out of nonMasqueradeCIDRs.`;
    report.fail('kernel', 'KERNEL_MASQUERADE_MISSING', `node ${node}`, message, { evidence, mend });
    return;
  }
  const agent = checkAgent(report, kernel, node);
  const message = `${node} lets packets of its pods out under their own addresses, which nobody outside can answer`;
  report.fail('kernel', 'KERNEL_MASQUERADE_MISSING', `node ${node}`, message, agent ? { causedBy: [agent] } : {});
}
