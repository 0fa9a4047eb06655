import { isIP } from 'node:net';
import type { Namespace, NetworkPolicy, Pod } from '../../api/types.ts';
import {
  formatVerdict,
  type Packet,
  type PolicyPlan,
  planPolicies,
  type Verdict,
  verdict,
} from '../../policy/index.ts';
import { type Facts, keyOf } from './facts.ts';
import type { Finding, Report } from './model.ts';
import { podText } from './pods.ts';
import type { Asker } from './services.ts';

/** One end of a connection: a pod, or an address that is none's. */
export interface End {
  readonly address: string;
  /** Of whoever is no pod, where it is known: `node-2`. */
  readonly name?: string;
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
    const message = `${direction} of ${podText(pod)} is closed by ${closersText(denied.policies)}`;
    const other = direction === 'egress' ? connection.destination : connection.source;
    return report.fail(direction, code, `NetworkPolicy ${denied.policies[0]}`, message, {
      evidence: [`no rule admits ${endText(other)} ${portText(connection)}`, ...labelsText(other)],
      mend: mendText(direction, [other], connection),
      partial,
    });
  }
  return undefined;
}

/**
 * Whether the policies of pods let the proxy's requests in, by any of several ways that they may come. Gives the ways that
 * they close: where others are open, that is a part.
 */
export async function checkWaysIn<Way extends Connection>(
  report: Report,
  facts: Facts,
  ways: readonly Way[],
  evidence: readonly string[],
): Promise<Way[]> {
  const plans = new Map<Pod, PolicyPlan>();
  const closed: ClosedWay<Way>[] = [];
  let passed: string | undefined;
  for (const way of ways) {
    const { pod } = way.destination;
    if (!pod || pod.spec?.hostNetwork) continue;
    const plan = plans.get(pod) ?? (await planOf(facts, pod, [pod]));
    plans.set(pod, plan);
    const answer = verdict(plan, packetOf(way));
    const denied = answer.by.at(-1);
    if (denied?.kind === 'default-deny') closed.push({ way, pod, policies: denied.policies });
    else passed ??= formatVerdict(answer).replace(/^allowed: /, '');
  }
  const partial = closed.length < ways.length;
  for (const some of Map.groupBy(closed, ({ policies }) => policies[0]).values()) {
    reportClosed(report, some, { evidence, partial });
  }
  if (passed !== undefined) report.pass('ingress', passed);
  return closed.map(({ way }) => way);
}

interface ClosedWay<Way extends Connection = Connection> {
  readonly way: Way;
  readonly pod: Pod;
  readonly policies: readonly string[];
}

/** Several ways that are closed by the same policy. */
function reportClosed(
  report: Report,
  closed: readonly ClosedWay[],
  { evidence, partial }: { readonly evidence: readonly string[]; readonly partial: boolean },
): void {
  const [first] = closed;
  if (!first) return;
  const senders = [...new Map(closed.map(({ way }) => [way.source.address, way.source])).values()];
  const pods = [...new Set(closed.map(({ pod }) => podText(pod)))];
  const which = pods.length > 1 ? `${pods[0]} and ${pods.length - 1} more` : pods[0];
  const message = `ingress of ${which} is closed to the proxy by ${closersText(first.policies)}`;
  report.fail('ingress', 'NET_POLICY_INGRESS_DENIED', `NetworkPolicy ${first.policies[0]}`, message, {
    evidence: [`no rule admits ${few(senders.map(endText))} ${portText(first.way)}`, ...evidence],
    mend: mendText('ingress', senders, first.way),
    partial,
  });
}

const closersText = (policies: readonly string[]): string => policies.map((key) => `NetworkPolicy ${key}`).join(', ');

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
async function judge(facts: Facts, connection: Connection, pod: Pod): Promise<Verdict> {
  const both = [connection.source.pod, connection.destination.pod].filter((each) => each !== undefined);
  return verdict(await planOf(facts, pod, both), packetOf(connection));
}

const packetOf = ({ source, destination, protocol, port }: Connection): Packet => ({
  protocol,
  source: source.address,
  destination: destination.address,
  port,
});

async function planOf(facts: Facts, pod: Pod, pods: readonly Pod[]): Promise<PolicyPlan> {
  const policies = await policiesOf(facts, pod);
  const node = pod.spec?.nodeName ? await facts.node(pod.spec.nodeName) : undefined;
  const addresses = (node?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return planPolicies(policies, pods.map(onNode(pod)), await namespacesOf(facts, pods), {
    name: pod.spec?.nodeName ?? '',
    addresses: addresses.map(({ address }) => address),
    podCIDRs: [],
  });
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

function endText({ pod, name = pod && podText(pod), address }: End): string {
  return name ? `${name} (${address})` : address;
}

function labelsText({ pod }: End): string[] {
  if (!pod) return [];
  const labels = Object.entries(pod.metadata?.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [`${keyOf(pod)} has the labels ${labels.join(', ') || '(none)'}`];
}

const portText = ({ protocol, port }: Connection): string =>
  protocol === 'icmp' ? 'with ICMP' : `at ${protocol.toUpperCase()} port ${port}`;

function mendText(direction: 'ingress' | 'egress', others: readonly End[], { port }: Connection): string {
  const where = direction === 'egress' ? 'to' : 'from';
  return `admit it by a rule: ${direction}.${where} ${few(others.map(peerText))}, port ${port}; or correct the labels`;
}

function peerText({ pod, address }: End): string {
  if (!pod) return `ipBlock ${address}/${address.includes(':') ? 128 : 32}`;
  const labels = Object.entries(pod.metadata?.labels ?? {});
  const [label] = labels.filter(([key]) => key !== 'pod-template-hash');
  return `podSelector { ${label ? `${label[0]}: ${label[1]}` : ''} } of namespace ${pod.metadata?.namespace}`;
}

/** What a large cluster has too many of to be read. */
function few(texts: readonly string[]): string {
  const [shown, others] = [texts.slice(0, 8), texts.slice(8)];
  return others.length > 0 ? `${shown.join(', ')} and ${others.length} more` : shown.join(', ');
}
