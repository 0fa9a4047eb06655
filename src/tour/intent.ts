import { pods } from '../api/resource.ts';
import type { Deployment, EndpointSlice, Pod } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import { waitFor } from '../base/wait.ts';
import type { Cluster } from '../cluster/create.ts';
import { scaledStage, tourNamespace } from './stage.ts';

/** Something that was wanted, and when it came true at each stage. */
export interface Change {
  readonly title: string;
  readonly steps: readonly { readonly what: string; readonly ms: number }[];
}

const timeoutMs = 60_000;
const lookMs = 5;
const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'scaled', namespace: tourNamespace };
const selector = { namespace: tourNamespace, labelSelector: 'app=scaled' };

/** Changes what is wanted three times, and follows each into the kernel of the first node. */
export async function followIntent(cluster: Cluster): Promise<Change[]> {
  await cluster.apply(...scaledStage());
  await cluster.wait(deployment, 'Available');
  return [await scale(cluster), await relabel(cluster), await kill(cluster)];
}

/** Times since the change, one step after the other. */
class Stopwatch {
  readonly steps: { what: string; ms: number }[] = [];
  readonly #began = performance.now();

  async until(what: string, look: () => Promise<boolean>): Promise<void> {
    await waitFor(look, { what, timeoutMs, intervalMs: lookMs });
    this.steps.push({ what, ms: performance.now() - this.#began });
  }
}

async function scale(cluster: Cluster): Promise<Change> {
  const old = new Set((await podsOf(cluster)).map(({ metadata }) => metadata?.name));
  const fresh = async () => (await podsOf(cluster)).find(({ metadata }) => !old.has(metadata?.name));
  const watch = new Stopwatch();
  await cluster.apply(deploymentOf(2));
  await watch.until('the ReplicaSet made a pod', async () => (await podsOf(cluster)).length === 2);
  await watch.until('the scheduler found it a node', async () => (await fresh())?.spec?.nodeName !== undefined);
  await watch.until('it runs, with an address', async () => (await fresh())?.status?.podIP !== undefined);
  const address = (await fresh())?.status?.podIP ?? '';
  await watch.until(`the EndpointSlice has ${address}`, async () => (await endpointsOf(cluster)).includes(address));
  await watch.until(`the kernel of ${firstNode(cluster)} leads to it`, () => isInKernel(cluster, address));
  return { title: 'kubectl scale deployment scaled --replicas=2', steps: watch.steps };
}

async function relabel(cluster: Cluster): Promise<Change> {
  await untilBothServe(cluster);
  const [pod] = await podsOf(cluster);
  const { name = '' } = pod?.metadata ?? {};
  const address = pod?.status?.podIP ?? '';
  const watch = new Stopwatch();
  await cluster.client.patch(pods, { name, namespace: tourNamespace }, 'merge', {
    metadata: { labels: { app: 'other' } },
  });
  await watch.until(
    `the EndpointSlice is without ${address}`,
    async () => !(await endpointsOf(cluster)).includes(address),
  );
  await watch.until(
    `the kernel of ${firstNode(cluster)} leads there no more`,
    async () => !(await isInKernel(cluster, address)),
  );
  await watch.until('the ReplicaSet made another pod', async () => (await podsOf(cluster)).length === 2);
  return { title: `kubectl label pod ${name} app=other`, steps: watch.steps };
}

async function kill(cluster: Cluster): Promise<Change> {
  await untilBothServe(cluster);
  const [pod] = await podsOf(cluster);
  const { name = '' } = pod?.metadata ?? {};
  const address = pod?.status?.podIP ?? '';
  const watch = new Stopwatch();
  await cluster.client.delete(pods, { name, namespace: tourNamespace }, { gracePeriodSeconds: 0 });
  await watch.until(
    `the EndpointSlice is without ${address}`,
    async () => !(await endpointsOf(cluster)).includes(address),
  );
  await watch.until(
    `the kernel of ${firstNode(cluster)} leads there no more`,
    async () => !(await isInKernel(cluster, address)),
  );
  await watch.until('another pod is available', async () => {
    const { status } = await cluster.get<Deployment>(deployment);
    return status?.availableReplicas === 2;
  });
  return { title: `kubectl delete pod ${name}`, steps: watch.steps };
}

/** By endpoints, and not by what was said of the Deployment before the last change. */
async function untilBothServe(cluster: Cluster): Promise<void> {
  const bothServe = async () => {
    const [present, endpoints] = await Promise.all([podsOf(cluster), endpointsOf(cluster)]);
    return present.length === 2 && present.every(({ status }) => endpoints.includes(status?.podIP ?? ''));
  };
  await waitFor(bothServe, { what: 'two pods behind the Service', timeoutMs, intervalMs: lookMs });
}

function deploymentOf(replicas: number) {
  const found = scaledStage().find(({ kind }) => kind === 'Deployment') as Deployment;
  return { ...found, spec: { ...found.spec, replicas } };
}

async function podsOf({ client }: Cluster): Promise<Pod[]> {
  const { items } = await client.list(pods, selector);
  return items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
}

async function endpointsOf({ client }: Cluster): Promise<string[]> {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${tourNamespace}/endpointslices?labelSelector=kubernetes.io/service-name=scaled`;
  const { items }: { items: EndpointSlice[] } = JSON.parse(await client.raw('GET', path));
  return items.flatMap(({ endpoints = [] }) =>
    endpoints.filter(({ conditions }) => conditions?.ready).flatMap(({ addresses }) => addresses),
  );
}

const firstNode = ({ config }: Cluster): string => config.nodes[0]?.name ?? '';

/** Whether some rule of the node translates to the address, whichever back end wrote it. */
async function isInKernel(cluster: Cluster, address: string): Promise<boolean> {
  const isIptables = cluster.config.spec.proxy.mode === 'iptables';
  const six = familyOf(address) === 'ipv6' ? '6' : '';
  const command = isIptables
    ? [`ip${six}tables-save`, '-t', 'nat']
    : ['nft', 'list', 'map', `ip${six}`, 'knit', 'slot'];
  const { stdout } = await cluster.exec(`node/${firstNode(cluster)}`, command);
  return new RegExp(`\\b${address.replaceAll('.', '\\.')}\\b`).test(stdout);
}
