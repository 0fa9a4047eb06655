import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endpointSlices, nodes, services } from '../api/resource.ts';
import type { EndpointSlice, Service } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import { waitFor } from '../base/wait.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { nodeShares } from '../edge/loadbalancer/plan.ts';
import { type ConntrackEvent, watchConntrack } from '../kernel/conntrack-events.ts';
import { enterNetns } from '../kernel/netns.ts';
import { run } from '../kernel/run.ts';
import { nodeNetns } from '../machine/fabric.ts';
import { masqueradeOf } from '../proxy/backends.ts';
import type { BalanceInput } from '../trace/balance.ts';
import type { Knock, KnockOrder } from '../trace/knock.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { enterTarget } from './enter.ts';
import { distFolder } from './processes.ts';

/** What the kernels of the nodes did with connections to a Service. */
export interface MeasuredBalance {
  /** Connections that were led to a pod, by endpoint (`10.244.1.2:8080`). */
  readonly endpoints: ReadonlyMap<string, number>;
  readonly connections: number;
  /** Of these, such that took a second hop. */
  readonly secondHops: number;
  /** Median time until a TCP connection stood, in ms, with one hop and with two; only where knit opened them itself. */
  readonly oneHopMs?: number;
  readonly twoHopsMs?: number;
  /** Connections that knit opened and nobody took. */
  readonly failed: number;
}

/** Reads what the balance of a Service is computed from. Throws `SERVICE_UNKNOWN`. */
export async function readBalanceInput(
  client: Client,
  ref: { readonly namespace: string; readonly name: string },
): Promise<BalanceInput> {
  const labelSelector = `kubernetes.io/service-name=${ref.name}`;
  const [service, slices, nodeList] = await Promise.all([
    client.get(services, ref).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      throw new KnitError(
        'SERVICE_UNKNOWN',
        `there is no Service ${ref.namespace}/${ref.name}`,
        'see: kubectl get services -A',
      );
    }),
    client.list<EndpointSlice>(endpointSlices, { namespace: ref.namespace, labelSelector }),
    client.list(nodes),
  ]);
  return { service, slices: slices.items, nodes: nodeList.items };
}

/** What is known of clusters of this machine beyond their objects: how the fabric spreads, and what nodes hide. */
export function ownBalance(config: ClusterConfig): Pick<BalanceInput, 'spread' | 'masquerade'> {
  const { mode } = config.spec.proxy;
  // A proxy that was installed instead of knit's is taken for kube-proxy.
  return { spread: nodeShares, masquerade: mode === 'none' ? 'always' : masqueradeOf[mode] };
}

/** Opens `count` connections from an outside client, and looks where the kernels led them. */
export async function measureRequests(
  config: ClusterConfig,
  service: Service,
  options: { readonly port?: string; readonly count: number },
): Promise<MeasuredBalance> {
  const front = frontOf(service, options.port);
  const client = config.clients[0];
  if (!client) throw new KnitError('CLIENT_UNKNOWN', 'there is no client outside', 'run: knit client add alice');
  const seen = new Map<number, ConntrackEvent>();
  const stop = await watchNodes(config, front, (event) => seen.set(event.original.sourcePort, event));
  try {
    const order: KnockOrder = { ...front, count: options.count };
    const [command = '', ...args] = [
      ...(await enterTarget(config, `client/${client.name}`)),
      process.execPath,
      join(distFolder, 'knock.js'),
      JSON.stringify(order),
    ];
    const knocks: Knock[] = JSON.parse(await run(command, args, { timeoutMs: 300_000 }));
    const came = knocks.filter(({ failure }) => failure === undefined);
    await waitFor(() => came.every(({ port }) => seen.has(port)), {
      what: 'the kernels to tell of every connection',
      timeoutMs: 5000,
    });
    const times = (hops: number) => came.filter(({ port }) => hopsOf(seen.get(port)) === hops).map(({ ms }) => ms ?? 0);
    return {
      ...summaryOf(came.flatMap(({ port }) => seen.get(port) ?? [])),
      ...(order.protocol === 'tcp' ? { oneHopMs: median(times(1)), twoHopsMs: median(times(2)) } : {}),
      failed: knocks.length - came.length,
    };
  } finally {
    await stop();
  }
}

/** Looks for a while at the connections that others open. */
export async function measureLive(
  config: ClusterConfig,
  service: Service,
  options: { readonly port?: string; readonly seconds: number; readonly signal?: AbortSignal },
): Promise<MeasuredBalance> {
  const seen: ConntrackEvent[] = [];
  const stop = await watchNodes(config, frontOf(service, options.port), (event) => seen.push(event));
  // The length of the measurement; who interrupts it gets what there is.
  await delay(options.seconds * 1000, undefined, { signal: options.signal }).catch(() => undefined);
  await stop();
  return { ...summaryOf(seen), failed: 0 };
}

type Front = Omit<KnockOrder, 'count'>;

/** Calls `onEvent` for each new connection to `front` that a node leads to a pod. */
async function watchNodes(
  config: ClusterConfig,
  front: Front,
  onEvent: (event: ConntrackEvent) => void,
): Promise<() => Promise<void>> {
  const watches = await Promise.all(
    config.nodes.map(({ name }) =>
      watchConntrack(['nsenter', ...enterNetns(nodeNetns(contextName(config.name), name))], (event) => {
        const { destination, destinationPort } = event.original;
        const isOurs = destination === front.address && destinationPort === front.port;
        if (event.kind === 'new' && event.protocol === front.protocol && isOurs) onEvent(event);
      }),
    ),
  );
  return async () => void (await Promise.all(watches.map((watch) => watch.stop())));
}

/** A node that sends a connection on to another one puts its own address in place of the client's. */
function hopsOf(event: ConntrackEvent | undefined): number {
  return event && event.reply.destination === event.original.source ? 1 : 2;
}

function summaryOf(events: readonly ConntrackEvent[]): Omit<MeasuredBalance, 'failed'> {
  const endpoints = new Map<string, number>();
  for (const { reply } of events) {
    const address = reply.source.includes(':') ? `[${reply.source}]` : reply.source;
    const endpoint = `${address}:${reply.sourcePort}`;
    endpoints.set(endpoint, (endpoints.get(endpoint) ?? 0) + 1);
  }
  return { endpoints, connections: events.length, secondHops: events.filter((event) => hopsOf(event) === 2).length };
}

function frontOf({ metadata, spec, status }: Service, asked: string | undefined): Front {
  const address = status?.loadBalancer?.ingress?.[0]?.ip;
  const port = spec?.ports?.find(
    ({ name, port: number }) => asked === undefined || name === asked || String(number) === asked,
  );
  if (!address || !port) {
    throw new KnitError(
      'BALANCE_NO_ADDRESS',
      `the Service ${metadata?.name} has no address outside to measure at`,
      'give it type LoadBalancer, or leave --requests and --live out',
    );
  }
  return { address, port: port.port, protocol: port.protocol === 'UDP' ? 'udp' : 'tcp' };
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
