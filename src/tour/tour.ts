import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { namespaces } from '../api/resource.ts';
import type { Service } from '../api/types.ts';
import { urlHost } from '../base/cidr.ts';
import { waitFor } from '../base/wait.ts';
import { isNotFound } from '../client/client.ts';
import { type ClusterConfig, familiesOf } from '../cluster/config.ts';
import { type Cluster, createCluster } from '../cluster/create.ts';
import { enterTarget } from '../cluster/enter.ts';
import type { Report } from '../trace/story.ts';
import { type Change, followIntent } from './intent.ts';
import { type Journey, journeys } from './journeys.ts';
import { stage, tourHost, tourNamespace } from './stage.ts';

/** What is shown of one part of the tour: part 0 is intent and reality. */
export type Part =
  | { readonly journey: 0; readonly title: string; readonly ok: boolean; readonly changes: readonly Change[] }
  | {
      readonly journey: number;
      readonly title: string;
      /** The packet arrived, and the kernel did what the plans say. */
      readonly ok: boolean;
      readonly from: string;
      readonly to: string;
      readonly see: readonly string[];
      readonly report: Report;
    };

export interface TourOptions {
  /** Only these; all where left out. */
  readonly numbers?: readonly number[];
  /** Called with each part as it is done; what it returns is awaited. */
  shown(part: Part): Promise<void> | void;
}

const timeoutMs = 60_000;
/** So many packets are sent again where chance did not show what there is to see. */
const MORE_PACKETS = 20;
export const intentTitle = 'intent and reality: from a label to the kernel';

/**
 * Shows a running cluster. Whatever happens, the namespace that it used is gone afterwards.
 */
export async function runTour(cluster: Cluster, { numbers, shown }: TourOptions): Promise<void> {
  const wanted = (number: number) => numbers === undefined || numbers.includes(number);
  await leave(cluster);
  try {
    if (wanted(0)) {
      const changes = await followIntent(cluster);
      await shown({ journey: 0, title: intentTitle, ok: true, changes });
    }
    const chosen = journeys.filter(({ number }) => wanted(number));
    if (chosen.some(({ overlay }) => !overlay)) await enter(cluster);
    for (const journey of chosen) {
      await shown(
        journey.overlay
          ? await onOverlay(journey, cluster.config.spec.network.ipFamily)
          : await travel(cluster, journey),
      );
    }
  } finally {
    await leave(cluster);
  }
}

async function enter(cluster: Cluster): Promise<void> {
  const names = cluster.config.nodes.map(({ name }) => name);
  const objects = stage(names);
  await cluster.apply(...objects);
  const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);
  for (const { metadata } of ofKind('Pod')) {
    await cluster.wait(
      { apiVersion: 'v1', kind: 'Pod', name: metadata?.name ?? '', namespace: tourNamespace },
      'Ready',
    );
  }
  for (const { metadata } of ofKind('Service')) await untilServed(cluster, metadata?.name ?? '');
}

/** Until its endpoints are there, and its address and nodes if it has a load balancer. */
async function untilServed(cluster: Cluster, name: string): Promise<void> {
  const ref = { apiVersion: 'v1', kind: 'Service', name, namespace: tourNamespace };
  const balanced = ({ spec, status }: Service) =>
    spec?.type !== 'LoadBalancer' || (status?.loadBalancer?.ingress?.length ?? 0) > 0;
  const { spec, status } = await cluster.wait<Service>(ref, balanced);
  const address = status?.loadBalancer?.ingress?.[0]?.ip;
  if (spec?.type !== 'LoadBalancer' || !address) return;
  await waitFor(
    async () =>
      (await cluster.exec('client/alice', ['curl', '-sfg', '-m', '1', `http://${urlHost(address)}/`])).code === 0,
    { what: `the load balancer of ${name}`, timeoutMs, intervalMs: 50 },
  );
}

async function leave({ client }: Cluster): Promise<void> {
  try {
    await client.delete(namespaces, { name: tourNamespace });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return;
  }
  const isGone = async () =>
    (await client.list(namespaces)).items.every(({ metadata }) => metadata?.name !== tourNamespace);
  await waitFor(isGone, { what: `the namespace ${tourNamespace} to go`, timeoutMs, intervalMs: 50 });
}

async function travel(cluster: Cluster, journey: Journey): Promise<Part> {
  const stop = journey.address === 'client' ? await serveOutside(cluster) : async () => undefined;
  try {
    if (journey.address === 'ingress') await untilRouted(cluster);
    const from = journey.from.replace('client/alice', `client/${cluster.config.clients[0]?.name}`);
    const to = journey.to.replace('ADDRESS', urlHost(addressOf(cluster, journey)));
    let report = await cluster.trace(from, to);
    const wantsSecond = journey.secondHop && cluster.config.nodes.length > 1;
    const fits = () => !wantsSecond || report.stories.some(({ summary }) => summary.nodes.length > 1);
    for (let more = MORE_PACKETS; !fits() && more > 0; more--) report = await cluster.trace(from, to);
    const ok = report.stories.length > 0 && report.stories.every(isAsPlanned);
    return { journey: journey.number, title: journey.title, ok, from, to, see: journey.see, report };
  } finally {
    await stop();
  }
}

function isAsPlanned({ end, differences }: Report['stories'][number]): boolean {
  return differences.length === 0 && end.kind === 'delivered';
}

function addressOf({ config }: Cluster, { address }: Journey): string {
  const [client] = config.clients;
  const isIPv6 = config.spec.network.ipFamily === 'ipv6';
  return (address === 'ingress' ? familiesOf(config)[0]?.ingress : isIPv6 ? client?.ipv6 : client?.address) ?? '';
}

/** Until the proxy answers for the tour's host. */
async function untilRouted(cluster: Cluster): Promise<void> {
  const url = `http://${urlHost(familiesOf(cluster.config)[0]?.ingress ?? '')}/`;
  const command = ['curl', '-sfg', '-m', '1', '-H', `Host: ${tourHost}`, url];
  await waitFor(async () => (await cluster.exec(`client/${cluster.config.clients[0]?.name}`, command)).code === 0, {
    what: 'the Ingress proxy',
    timeoutMs,
    intervalMs: 50,
  });
}

/** Somebody outside who answers, for as long as the journey takes. */
async function serveOutside({ config }: Cluster): Promise<() => Promise<void>> {
  const program = `require('node:http').createServer((_, answer) => answer.end('hello\\n')).listen(8080, () => console.log('ready'))`;
  const [first = '', ...rest] = [
    ...(await enterTarget(config, `client/${config.clients[0]?.name}`)),
    process.execPath,
    '-e',
    program,
  ];
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), end]);
  return async () => {
    child.kill();
    await end;
  };
}

/** On two nodes beside this cluster, gone again afterwards. */
async function onOverlay(journey: Journey, ipFamily: ClusterConfig['spec']['network']['ipFamily']): Promise<Part> {
  await using cluster = await createCluster({ nodes: 2, network: { podNetwork: 'vxlan', uplink: 'none', ipFamily } });
  const ends = ['cart', 'web-1'];
  await cluster.apply(
    ...stage(cluster.config.nodes.map(({ name }) => name)).filter(
      ({ kind, metadata }) => kind === 'Namespace' || (kind === 'Pod' && ends.includes(metadata?.name ?? '')),
    ),
  );
  for (const name of ends)
    await cluster.wait({ apiVersion: 'v1', kind: 'Pod', name, namespace: tourNamespace }, 'Ready');
  const part = await travel(cluster, journey);
  return part;
}
