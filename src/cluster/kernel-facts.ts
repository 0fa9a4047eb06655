import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { standingConnections } from '../kernel/conntrack-events.ts';
import { netnsFolder } from '../kernel/netns.ts';
import { run, tryRun } from '../kernel/run.ts';
import { socketsOf } from '../kernel/sockets.ts';
import { podCgroup } from '../kubelet/resources.ts';
import { fabricNetns, nodeNetns } from '../machine/fabric.ts';
import { EGRESS_TABLE } from '../podnet/masquerade.ts';
import { tunnelBytes } from '../podnet/overlay.ts';
import { vxlanDevice } from '../podnet/vxlan.ts';
import type { Kernel, Listener } from '../trace/explain/kernel.ts';
import { contains } from '../trace/predict/services.ts';
import { type InNode, pinnedByNft, pinnedByRecent } from './affinity-facts.ts';
import { type ClusterConfig, contextName, familiesOf } from './config.ts';
import { nodeCgroup } from './running.ts';

/** What the kernel of this machine says of a cluster's nodes and pods. Needs root. */
export function kernelFacts(config: ClusterConfig): Kernel {
  const prefix = contextName(config.name);
  const enter = (node: string) => ['nsenter', `--net=${netnsFolder}/${nodeNetns(prefix, node)}`];
  const inNode: InNode = (node, ...command) => tryRun('nsenter', [...enter(node).slice(1), ...command]);
  const known = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const answer = (known.get(key) as Promise<T> | undefined) ?? ask();
    known.set(key, answer);
    return answer;
  };
  const isIptables = config.spec.proxy.mode === 'iptables';
  const natRules = async (node: string, address: string) => {
    const save = iptablesSave(address);
    const { stdout } = await once(`${save} ${node}`, () => inNode(node, save, '-t', 'nat'));
    return stdout.split('\n');
  };
  return {
    listeners: async (pod) => {
      const pid = processOf(config, pod);
      return pid === undefined ? undefined : listenersOf(pid);
    },
    isAgentRunning: (node) => processesIn(`${nodeCgroup(config.name, node)}/system`).some(isRunningAgent),
    knowsService: async (node, address, protocol, port) => {
      if (config.spec.proxy.mode === 'none') return true;
      if (!isIptables) return hasElement(inNode, node, address, protocol, port);
      return (await natRules(node, address)).some(
        (rule) => rule.includes(`-d ${address}/`) && rule.includes(`--dport ${port} `),
      );
    },
    forwards: (node) =>
      once(`forwards ${node}`, async () => {
        const { stdout } = await inNode(node, 'cat', '/proc/sys/net/ipv4/ip_forward');
        return stdout.trim() === '1';
      }),
    masquerades: async (node, destination) => {
      const family = destination.includes(':') ? 'ip6' : 'ip';
      const { stdout } = await inNode(node, 'nft', 'list', 'table', family, EGRESS_TABLE);
      const rule = stdout.split('\n').find((line) => / daddr != .*masquerade/.test(line));
      if (!rule) return 'no';
      const excepted = / daddr != (?:\{ ([^}]+) \}|(\S+))/.exec(rule);
      return contains((excepted?.[1] ?? excepted?.[2] ?? '').split(', '), destination) ? 'excepted' : 'yes';
    },
    foreignDrops: (node) => once(`drops ${node}`, () => foreignDrops(inNode, node, isIptables)),
    routes: async (sender) => {
      const isOverlay = config.spec.network.podNetwork === 'vxlan';
      if (!isOverlay) return await once('routes', () => routesIn(fabricNetns(prefix)));
      if (sender === undefined) return undefined;
      return await once(`routes ${sender}`, () => routesIn(nodeNetns(prefix, sender), 'dev', vxlanDevice));
    },
    pinnedTo: async (node, client, to) => {
      if (config.spec.proxy.mode === 'none') return undefined;
      if (!isIptables) return await pinnedByNft(inNode, node, client, to);
      return await pinnedByRecent(inNode, node, client, to, await natRules(node, to.address));
    },
    flows: async (node, client, { address, protocol, port }) => {
      const only = ['-p', protocol, '--orig-src', client, '--orig-dst', address, '--orig-port-dst', `${port}`];
      const found = await standingConnections(enter(node), familyOf(address), only);
      return found.map(({ original, reply }) => ({ sourcePort: original.sourcePort, to: reply.source }));
    },
    mtus: (node) =>
      once(`mtus ${node}`, async () => {
        const links = await linksIn(enter(node));
        const uplink = links.find(({ ifname }) => ifname === 'eth0')?.mtu;
        const tunnel = links.find(({ ifname }) => ifname === vxlanDevice)?.mtu;
        if (uplink === undefined || tunnel === undefined) return uplink === undefined ? undefined : { uplink };
        return { uplink, tunnel, around: tunnelBytes(familiesOf(config)[0]?.nodeCIDR ?? '') };
      }),
    podMtu: async (pod) => {
      const pid = processOf(config, pod);
      if (pid === undefined) return undefined;
      return (await linksIn(['nsenter', `--net=/proc/${pid}/ns/net`])).find(({ ifname }) => ifname === 'eth0')?.mtu;
    },
    isLinkUp: async (pod) => {
      const pid = processOf(config, pod);
      if (pid === undefined) return true;
      const links = await linksIn(['nsenter', `--net=/proc/${pid}/ns/net`]);
      return links.some(({ ifname, operstate }) => ifname === 'eth0' && operstate === 'UP');
    },
  };
}

interface Link {
  readonly ifname: string;
  readonly operstate: string;
  readonly mtu: number;
}

/** Destinations that are reached by somebody else. */
async function routesIn(netns: string, ...only: string[]): Promise<string[]> {
  const list = (family: string) => run('ip', ['-json', family, '-n', netns, 'route', 'show', ...only]);
  const texts = await Promise.all([list('-4'), list('-6')]);
  const routes = texts.flatMap((text): { dst: string; gateway?: string }[] => JSON.parse(text.trim() || '[]'));
  return routes.filter(({ gateway }) => gateway !== undefined).map(({ dst }) => dst);
}

async function linksIn([command = 'ip', ...enter]: readonly string[]): Promise<Link[]> {
  return JSON.parse(await run(command, [...enter, 'ip', '-json', 'link']));
}

const iptablesSave = (address: string): string => (address.includes(':') ? 'ip6tables-save' : 'iptables-save');

/** Asked twice where it is missing: a change of the Service may be on its way into the kernel. */
async function hasElement(inNode: InNode, node: string, address: string, protocol: string, port: number) {
  const family = address.includes(':') ? 'ip6' : 'ip';
  const get = () =>
    inNode(node, 'nft', 'get', 'element', family, 'knit', 'vip', `{ ${address} . ${protocol} . ${port} }`);
  if ((await get()).code === 0) return true;
  await delay(secondLookMs);
  return (await get()).code === 0;
}

const secondLookMs = 100;

function processOf(config: ClusterConfig, pod: Pod): number | undefined {
  const all = processesIn(podCgroup(`${nodeCgroup(config.name, pod.spec?.nodeName ?? '')}/pods`, pod));
  // The first one mostly holds the pod: a later one may be a command that ends while it is looked at.
  return all.toSorted((a, b) => a - b)[0];
}

/** Not one that was stopped by a signal (`T`). */
function isRunningAgent(pid: number): boolean {
  const folder = `/proc/${pid}`;
  if (!existsSync(folder)) return false;
  const read = (name: string) => {
    try {
      return readFileSync(`${folder}/${name}`, 'utf8');
    } catch {
      return ''; // it has ended
    }
  };
  return read('cmdline').includes('agent.js') && !/^\d+ \(.*\) T/.test(read('stat'));
}

function listenersOf(pid: number): Listener[] {
  return socketsOf(pid).flatMap(({ protocol, local, listens }) => (listens ? [{ protocol, ...local }] : []));
}

const ownTables = /^(knit|knit-.*)$/;

interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** Base chains that are not ours and drop: by their policy, or by a rule. Of the iptables back end KUBE- chains are ours. */
async function foreignDrops(inNode: InNode, node: string, isIptables: boolean): Promise<string[]> {
  const { code, stdout } = await inNode(node, 'nft', '--json', 'list', 'chains');
  if (code !== 0) return [];
  const listed: { chain?: NftChain }[] = JSON.parse(stdout).nftables;
  const chains = listed.flatMap(({ chain }) => (chain?.hook && !ownTables.test(chain.table) ? [chain] : []));
  const drops: string[] = [];
  for (const { family, table, name, hook, policy } of chains) {
    const where = `${family} ${table} ${name} (${hook})`;
    if (policy === 'drop') drops.push(`${where}: policy drop`);
    const text = (await inNode(node, 'nft', '--stateless', 'list', 'chain', family, table, name)).stdout;
    const rules = text.split('\n').map((line) => line.trim());
    const bad = rules.filter((rule) => /\b(drop|reject)\b/.test(rule) && !rule.startsWith('type '));
    drops.push(...bad.filter((rule) => !isIptables || !rule.includes('KUBE-')).map((rule) => `${where}: ${rule}`));
  }
  return drops;
}
