import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../base/wait.ts';
import { deleteNetns } from '../../kernel/netns.ts';
import { run } from '../../kernel/run.ts';
import type { PeerAnswer, PeerCommand } from './peer.ts';

/**
 * Two nodes with pods, a fabric that routes between them, and a client outside: all of it network namespaces.
 *
 *     client 198.51.100.7 ── fabric 10.89.0.1 ──┬── node1 10.89.0.11: pods a 10.244.1.2, b 10.244.1.3
 *                                               └── node2 10.89.0.12: pod c 10.244.2.2
 */
export interface Lab {
  readonly a: Peer;
  readonly b: Peer;
  readonly c: Peer;
  readonly client: Peer;
  /** In the first node's own network, as a hostNetwork pod is. */
  readonly node: Peer;
  /** What comes before a command that shall run in the first node's network. */
  readonly inNode: readonly string[];
  /** Resolves when pods have nothing unacknowledged: what is sent again while rules are away would end a connection. */
  acknowledged(): Promise<void>;
  stop(): Promise<void>;
}

export const NODE1 = '10.89.0.11';
export const NODE2 = '10.89.0.12';
export const CLIENT = '198.51.100.7';
export const POD_PORT = 8080;

const PREFIX = 'knit-t-proxy-';

export async function startLab(): Promise<Lab> {
  const id = `${PREFIX}${process.pid}`;
  const name = (part: string) => `${id}-${part}`;
  const spaces = ['fabric', 'node1', 'node2', 'a', 'b', 'c', 'client'].map(name);
  const peers: Peer[] = [];
  const stop = async () => {
    await Promise.all(peers.map((peer) => peer.stop()));
    await Promise.allSettled(spaces.map((space) => deleteNetns(space)));
  };
  const acknowledged = async () => {
    const waiting = async (pod: string) => {
      const sockets = await run('ip', ['netns', 'exec', name(pod), 'ss', '-tnH', 'state', 'established']);
      return sockets.split('\n').some((line) => Number(line.trim().split(/\s+/)[1] ?? 0) > 0);
    };
    const none = async () => !(await Promise.all(['a', 'b', 'c'].map(waiting))).includes(true);
    await waitFor(none, { what: 'acknowledgements', timeoutMs: 10_000, intervalMs: 10 });
  };
  try {
    await run('sh', ['-e'], { input: script(name) });
    const start = async (label: string, space: string) => {
      const peer = await Peer.start(label, name(space));
      peers.push(peer);
      return peer;
    };
    const [a, b, c, client, node] = await Promise.all([
      start('a', 'a'),
      start('b', 'b'),
      start('c', 'c'),
      start('client', 'client'),
      start('node1', 'node1'),
    ]);
    await Promise.all([a, b, c].flatMap((pod) => [pod.serve('tcp', POD_PORT), pod.serve('udp', POD_PORT)]));
    return { a, b, c, client, node, inNode: ['ip', 'netns', 'exec', name('node1')], acknowledged, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function script(name: (part: string) => string): string {
  const fabric = name('fabric');
  return `
${['fabric', 'node1', 'node2', 'a', 'b', 'c', 'client'].map((part) => space(name(part))).join('')}
${leaf(fabric, name('client'), 'client', CLIENT, '10.89.0.1')}
${leaf(fabric, name('node1'), 'node1', NODE1, '10.89.0.1')}
${leaf(fabric, name('node2'), 'node2', NODE2, '10.89.0.1')}
ip -n ${fabric} route add 10.244.1.0/24 via ${NODE1} dev node1 onlink
ip -n ${fabric} route add 10.244.2.0/24 via ${NODE2} dev node2 onlink
ip -n ${fabric} route add 203.0.113.0/24 via ${NODE1} dev node1 onlink
${leaf(name('node1'), name('a'), 'pod-a', '10.244.1.2', '10.244.1.1')}
${leaf(name('node1'), name('b'), 'pod-b', '10.244.1.3', '10.244.1.1')}
${leaf(name('node2'), name('c'), 'pod-c', '10.244.2.2', '10.244.2.1')}
`;
}

function space(name: string): string {
  return `ip netns add ${name}
ip -n ${name} link set lo up
ip netns exec ${name} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratemask=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 net.netfilter.nf_conntrack_tcp_be_liberal=1
`;
}

/** A routed veth: the leaf knows only its gateway, the gateway only the leaf's address. */
function leaf(gateway: string, of: string, device: string, address: string, gatewayAddress: string): string {
  return `ip -n ${gateway} link add name ${device} type veth peer name eth0 netns ${of}
ip -n ${gateway} addr add ${gatewayAddress}/32 dev ${device}
ip -n ${gateway} link set ${device} up
ip -n ${of} addr add ${address}/32 dev eth0
ip -n ${of} link set eth0 up
ip -n ${of} route add ${gatewayAddress} dev eth0 src ${address}
ip -n ${of} route add default via ${gatewayAddress} dev eth0 src ${address}
ip -n ${gateway} route add ${address} dev ${device} src ${gatewayAddress}
`;
}

/** A process in one namespace: see peer.ts. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (answer: PeerAnswer) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(label: string, space: string): Promise<Peer> {
    return Peer.#spawn(label, ['ip', 'netns', 'exec', space]);
  }

  /** In the namespace of this process. */
  static here(label: string): Promise<Peer> {
    return Peer.#spawn(label, []);
  }

  static async #spawn(label: string, enter: readonly string[]): Promise<Peer> {
    const script = fileURLToPath(new URL('./peer.ts', import.meta.url));
    const [command = '', ...args] = [...enter, process.execPath, script, label];
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const peer = new Peer(child);
    const ready = new Promise<PeerAnswer>((resolve, reject) => {
      peer.#answers.set(0, resolve);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`the peer ${label} ended`)));
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line) as PeerAnswer & { id: number };
      peer.#answers.get(id)?.(answer);
      peer.#answers.delete(id);
    });
    await ready;
    return peer;
  }

  serve(protocol: 'tcp' | 'udp', port: number): Promise<PeerAnswer> {
    return this.#ask({ op: 'serve', protocol, port });
  }

  /** One connection: what the server said, or why there was none. */
  tcp(host: string, port: number, timeoutMs = 30_000, localPort?: number): Promise<PeerAnswer> {
    return this.#ask({ op: 'tcp', host, port, timeoutMs, localPort });
  }

  /** One datagram and its answer. */
  udp(host: string, port: number, timeoutMs = 30_000, localPort?: number): Promise<PeerAnswer> {
    return this.#ask({ op: 'udp', host, port, timeoutMs, localPort });
  }

  /** A connection that stays open. */
  async open(host: string, port: number): Promise<{ first: PeerAnswer; again(): Promise<PeerAnswer> }> {
    const first = await this.#ask({ op: 'open', host, port, timeoutMs: 30_000 });
    return { first, again: () => this.#ask({ op: 'say', connection: first.connection ?? -1, timeoutMs: 30_000 }) };
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    await ended;
    clearTimeout(timer);
  }

  #ask(command: PeerCommand): Promise<PeerAnswer> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }
}
