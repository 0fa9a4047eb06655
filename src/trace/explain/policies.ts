import { isIP } from 'node:net';
import type { Namespace, NetworkPolicy, Pod } from '../../api/types.ts';
import { formatVerdict, planPolicies, type Verdict, verdict } from '../../policy/index.ts';
import { type Facts, keyOf } from './facts.ts';
import type { Finding, Report } from './model.ts';
import { podText } from './pods.ts';
import type { Asker } from './services.ts';

/** One end of a connection: a pod, or an address that is nobody's. */
export interface End {
  readonly address: string;
  readonly pod?: Pod;
}

export interface Connection {
  readonly source: End;
  readonly destination: End;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly port: number;
}

/** What NetworkPolicies say of a connection, on both sides. Only policies of the two pods' namespaces can. */
export async function checkPolicies(
  report: Report,
  facts: Facts,
  connection: Connection,
  partial = false,
): Promise<Finding | undefined> {
  for (const direction of ['egress', 'ingress'] as const) {
    const { pod } = direction === 'egress' ? connection.source : connection.destination;
    if (!pod || pod.spec?.hostNetwork) continue;
    const answer = await judge(facts, connection, pod);
    const text = formatVerdict(answer);
    const denied = answer.by.at(-1);
    if (answer.allowed || denied?.kind !== 'default-deny') {
      report.pass(direction, text.replace(/^allowed: /, ''));
      continue;
    }
    if (denied.direction !== direction) continue;
    const code = direction === 'egress' ? 'NET_POLICY_EGRESS_DENIED' : 'NET_POLICY_INGRESS_DENIED';
    const message = `${direction} of ${podText(pod)} is closed by ${denied.policies.map((key) => `NetworkPolicy ${key}`).join(', ')}`;
    const other = direction === 'egress' ? connection.destination : connection.source;
    return report.fail(direction, code, `NetworkPolicy ${denied.policies[0]}`, message, {
      evidence: [`no rule admits ${endText(other)} ${portText(connection)}`, ...labelsText(other)],
      mend: mendText(direction, other, connection),
      partial,
    });
  }
  return undefined;
}

/** Whether the policies of a pod that asks let it send to a proxy's address. */
export async function checkWayOut(
  report: Report,
  facts: Facts,
  from: Asker,
  address: string | undefined,
  port: number,
): Promise<boolean> {
  if (from.kind !== 'pod' || !isIP(address ?? '')) return true;
  const source = { address: from.pod.status?.podIP ?? '', pod: from.pod };
  const connection = { source, destination: { address: address ?? '' }, protocol: 'tcp', port } as const;
  return (await checkPolicies(report, facts, connection)) === undefined;
}

/** The verdict of the pod's own node. A plan of the two pods alone says the same of them as one of all. */
async function judge(facts: Facts, { source, destination, protocol, port }: Connection, pod: Pod): Promise<Verdict> {
  const both = [source.pod, destination.pod].filter((each) => each !== undefined);
  const policies = await policiesOf(facts, pod);
  const node = pod.spec?.nodeName ? await facts.node(pod.spec.nodeName) : undefined;
  const addresses = (node?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  const plan = planPolicies(policies, both.map(onNode(pod)), await namespacesOf(facts, both), {
    name: pod.spec?.nodeName ?? '',
    addresses: addresses.map(({ address }) => address),
    podCIDRs: [],
  });
  return verdict(plan, { protocol, source: source.address, destination: destination.address, port });
}

/** Of the two pods only the judged one stands on its node for this plan: the other side has its own verdict. */
function onNode(judged: Pod): (pod: Pod) => Pod {
  return (pod) =>
    pod === judged || pod.spec?.nodeName !== judged.spec?.nodeName
      ? pod
      : { ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: 'another' } };
}

async function policiesOf(facts: Facts, pod: Pod): Promise<readonly NetworkPolicy[]> {
  return await facts.policies(pod.metadata?.namespace);
}

async function namespacesOf(facts: Facts, pods: readonly Pod[]): Promise<Namespace[]> {
  const names = new Set(pods.map(({ metadata }) => metadata?.namespace ?? ''));
  const found = await Promise.all([...names].map((name) => facts.namespace(name)));
  return found.filter((each) => each !== undefined);
}

function endText({ pod, address }: End): string {
  return pod ? `${podText(pod)} (${address})` : address;
}

function labelsText({ pod }: End): string[] {
  if (!pod) return [];
  const labels = Object.entries(pod.metadata?.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [`${keyOf(pod)} has the labels ${labels.join(', ') || '(none)'}`];
}

const portText = ({ protocol, port }: Connection): string =>
  protocol === 'icmp' ? 'with ICMP' : `at ${protocol.toUpperCase()} port ${port}`;

function mendText(direction: 'ingress' | 'egress', { pod, address }: End, { port }: Connection): string {
  const peers = direction === 'egress' ? 'to' : 'from';
  const labels = Object.entries(pod?.metadata?.labels ?? {});
  const [label] = labels.filter(([key]) => key !== 'pod-template-hash');
  const peer = pod
    ? `podSelector { ${label ? `${label[0]}: ${label[1]}` : ''} } of namespace ${pod.metadata?.namespace}`
    : `ipBlock ${address}/${address.includes(':') ? 128 : 32}`;
  return `admit it by a rule: ${direction}.${peers} ${peer}, port ${port}; or correct the labels`;
}
