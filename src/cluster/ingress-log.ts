import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { pods as podResource } from '../api/resource.ts';
import { type AccessEntry, parseAccessLine } from '../edge/ingress/access-log.ts';
import { listAllFlows } from '../kernel/conntrack.ts';
import { listNetns } from '../kernel/ip.ts';
import { enterNetns } from '../kernel/netns.ts';
import { nodeNetns } from '../machine/fabric.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { ingressFiles } from './ingress.ts';
import { adminClient } from './ready.ts';

export interface AccessLogOptions {
  /** So many of the last lines. */
  readonly tail: number;
  /** Wait for more until `signal`. */
  readonly follow: boolean;
  /** `namespace/name`: only its requests. */
  readonly ingress?: string;
  readonly signal: AbortSignal;
}

/** What is read of the end of the log at most. */
const tailBytes = 8 << 20;
const pollMs = 200;

/**
 * Requests that came through the Ingress proxy, oldest first. Of one that went through a node's port, the pod is the
 * one that the node's conntrack table names: it remembers a connection while it lasts and some time after.
 */
export async function* accessLog(config: ClusterConfig, options: AccessLogOptions): AsyncGenerator<AccessEntry> {
  const { tail, follow, ingress } = options;
  const { accessLog: path } = ingressFiles(config.name);
  let first = true;
  for await (const lines of linesOf(path, options)) {
    const entries = lines.flatMap((line) => parseAccessLine(line) ?? []);
    const mine = entries.filter((entry) => ingress === undefined || entry.ingress === ingress);
    yield* await withPods(config, first ? mine.slice(Math.max(0, mine.length - tail)) : mine);
    first = false;
    if (!follow) return;
  }
}

/** What stands at the end of the file, and then what is added to it. */
async function* linesOf(path: string, { follow, signal }: AccessLogOptions): AsyncGenerator<string[]> {
  let from: number | undefined;
  let rest = '';
  while (!signal.aborted) {
    const added = await readFrom(path, from);
    // A log that is shorter than before was begun anew.
    if (from !== undefined && added.size < from) from = 0;
    else {
      const lines = (rest + added.text).split('\n');
      rest = lines.pop() ?? '';
      if (lines.length > 0 || from === undefined) yield lines;
      from = added.size;
    }
    if (follow) await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

async function readFrom(path: string, from: number | undefined): Promise<{ text: string; size: number }> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    // No Ingress was served yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { text: '', size: 0 };
    throw error;
  }
  try {
    const { size } = await file.stat();
    const start = from ?? Math.max(0, size - tailBytes);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    await file.read(buffer, 0, buffer.length, start);
    return { text: buffer.toString(), size };
  } finally {
    await file.close();
  }
}

async function withPods(config: ClusterConfig, entries: readonly AccessEntry[]): Promise<readonly AccessEntry[]> {
  const unknown = entries.filter(({ node, pod, sourcePort }) => node && !pod && sourcePort);
  if (unknown.length === 0) return entries;
  const nodes = [...new Set(unknown.flatMap(({ node }) => node ?? []))];
  const [names, ...answerers] = await Promise.all([
    podNames(config),
    ...nodes.map((node) => answerersOn(config, node)),
  ]);
  const on = new Map(nodes.map((node, index) => [node, answerers[index]]));
  return entries.map((entry) => {
    if (entry.pod || !entry.node) return entry;
    const address = on.get(entry.node)?.get(`${entry.sourcePort} ${entry.serverPort}`);
    return address === undefined ? entry : { ...entry, pod: names.get(address) ?? address };
  });
}

/** Both ports of a connection that the proxy began → address of who answers it, as a node translates it. */
async function answerersOn(config: ClusterConfig, node: string): Promise<Map<string, string>> {
  const netns = nodeNetns(contextName(config.name), node);
  if (!(await listNetns()).includes(netns)) return new Map();
  const proxy = config.addresses.ingress;
  const flows = await listAllFlows('ipv4', { command: ['nsenter', ...enterNetns(netns), 'conntrack'] });
  const mine = flows.filter(({ protocol, source }) => protocol === 'tcp' && source === proxy);
  return new Map(mine.map(({ sourcePort, port, replyAddress }) => [`${sourcePort} ${port}`, replyAddress]));
}

async function podNames(config: ClusterConfig): Promise<Map<string, string>> {
  const { client, close } = adminClient(config);
  try {
    const { items } = await client.list(podResource);
    return new Map(items.map(({ metadata, status }) => [status?.podIP ?? '', metadata?.name ?? '']));
  } finally {
    await close();
  }
}
