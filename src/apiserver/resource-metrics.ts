import { text } from 'node:stream/consumers';
import { METRICS_GROUP, type NodeMetrics, nodeMetrics, type PodMetrics, podMetrics } from '../api/kinds/metrics.ts';
import { hollowLabel } from '../api/node-labels.ts';
import { apiVersion, nodes, pods } from '../api/resource.ts';
import { parseLabelSelector } from '../api/selectors.ts';
import type { KubeObject, Node, Pod } from '../api/types.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { objectKey, resourcePrefix } from './cache/watch-cache.ts';
import type { Context } from './context.ts';
import { notFound } from './errors.ts';
import { now } from './registry/write.ts';
import type { KindRequest } from './request.ts';
import { nodeProxyPlace } from './streaming/proxy-target.ts';
import { proxyStream } from './streaming/stream.ts';

/** A kubelet that has not answered by then is left out. */
const ANSWER_MS = 5_000;
/** Over which a kubelet's rates are told. */
const WINDOW = '10s';

interface Measured {
  readonly cpu?: { readonly time?: string; readonly usageNanoCores?: number };
  readonly memory?: { readonly workingSetBytes?: number };
}

/** The part of a kubelet's `/stats/summary` that is read here. */
interface Summary {
  readonly node: Measured;
  readonly pods?: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
    readonly containers?: readonly (Measured & { readonly name: string })[];
  }[];
}

/** `metrics.k8s.io`: what kubelets measure, at the moment when it is asked for. Others would ask metrics-server. */
export async function answerResourceMetrics(context: Context, request: KindRequest): Promise<Answer> {
  const { kind, target } = request;
  const items = kind === nodeMetrics ? await nodesOf(context, request) : await podsOf(context, request);
  if (target.name !== '') {
    const found = items[0];
    if (!found) throw notFound({ group: METRICS_GROUP, plural: target.plural }, target.name);
    return jsonAnswer({ kind: kind.kind, apiVersion: apiVersion(kind), ...found });
  }
  return jsonAnswer({ kind: kind.listKind, apiVersion: apiVersion(kind), metadata: {}, items });
}

async function nodesOf(context: Context, request: KindRequest): Promise<NodeMetrics[]> {
  const wanted = listed<Node>(context, nodes, request).filter(isReal);
  const measured = await Promise.all(wanted.map((node) => summaryOf(context, node)));
  return wanted.flatMap((node, index) => {
    const summary = measured[index];
    if (!summary) return [];
    return { metadata: metadataOf(node), ...when(summary), usage: usageOf(summary.node) };
  });
}

async function podsOf(context: Context, request: KindRequest): Promise<PodMetrics[]> {
  const wanted = listed<Pod>(context, pods, request).filter(({ status }) => status?.phase === 'Running');
  const names = new Set(wanted.flatMap(({ spec }) => spec?.nodeName ?? []));
  const hosts = all<Node>(context, nodes, '').filter((node) => names.has(node.metadata?.name ?? '') && isReal(node));
  const measured = (await Promise.all(hosts.map((node) => summaryOf(context, node)))).filter(
    (each) => each !== undefined,
  );
  const byUid = new Map(
    measured.flatMap((summary) => (summary.pods ?? []).map((pod) => [pod.podRef.uid, { summary, pod }])),
  );
  return wanted.flatMap((pod) => {
    const found = byUid.get(pod.metadata?.uid ?? '');
    if (!found) return [];
    const containers = (found.pod.containers ?? []).map((each) => ({ name: each.name, usage: usageOf(each) }));
    return { metadata: metadataOf(pod), ...when(found.summary), containers };
  });
}

function listed<T extends KubeObject>(
  context: Context,
  resource: typeof nodes | typeof pods,
  { target, info }: KindRequest,
): T[] {
  if (target.name !== '') {
    const found = context.cache.resource(resource).get(objectKey(resource, target.namespace, target.name));
    return found ? [found.parse<T>()] : [];
  }
  const selector = parseLabelSelector(info.query.get('labelSelector') ?? '');
  return all<T>(context, resource, target.namespace, (labels) => selector.matches(labels));
}

function all<T extends KubeObject>(
  context: Context,
  resource: typeof nodes | typeof pods,
  namespace: string,
  matches: (labels: Readonly<Record<string, string>>) => boolean = () => true,
): T[] {
  const prefix = namespace === '' ? resourcePrefix(resource) : `${resourcePrefix(resource)}${namespace}/`;
  const found = context.cache.resource(resource).list(prefix);
  return found.filter(({ labels }) => matches(labels)).map((object) => object.parse<T>());
}

const isReal = ({ metadata }: Node): boolean => !metadata?.labels?.[hollowLabel];

async function summaryOf(context: Context, node: Node): Promise<Summary | undefined> {
  try {
    const target = { ...nodeProxyPlace(node, node.metadata?.name ?? ''), path: '/stats/summary' };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const { status, body } = await proxyStream({ target, tls: context.kubeletTLS, signal });
    const answer = await text(body);
    return status === 200 ? (JSON.parse(answer) as Summary) : undefined;
  } catch (error) {
    context.log.warn('no measurements of a node', { node: node.metadata?.name, error });
    return undefined;
  }
}

function metadataOf({ metadata }: KubeObject): KubeObject['metadata'] {
  return { name: metadata?.name, namespace: metadata?.namespace, labels: metadata?.labels, creationTimestamp: now() };
}

const when = ({ node }: Summary) => ({ timestamp: node.cpu?.time ?? now(), window: WINDOW });

function usageOf({ cpu, memory }: Measured): Record<string, string> {
  return {
    cpu: `${cpu?.usageNanoCores ?? 0}n`,
    memory: `${Math.ceil((memory?.workingSetBytes ?? 0) / 1024)}Ki`,
  };
}

/** What {@link answerResourceMetrics} answers. */
export const measuredKinds = [nodeMetrics, podMetrics];
