import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../api/types.ts';
import { processesIn } from '../kernel/cgroup.ts';
import { netnsFolder } from '../kernel/netns.ts';
import { run, tryRun } from '../kernel/run.ts';
import { socketsOf } from '../kernel/sockets.ts';
import { podCgroup } from '../kubelet/resources.ts';
import { fabricNetns, nodeNetns } from '../machine/fabric.ts';
import type { Kernel, Listener } from '../trace/explain/kernel.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { nodeCgroup } from './node.ts';

/** What the kernel of this machine says of a cluster's nodes and pods. Needs root. */
export function kernelFacts(config: ClusterConfig): Kernel {
  const prefix = contextName(config.name);
  const inNode = (node: string, ...command: string[]) =>
    tryRun('nsenter', [`--net=${netnsFolder}/${nodeNetns(prefix, node)}`, ...command]);
  const known = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const answer = (known.get(key) as Promise<T> | undefined) ?? ask();
    known.set(key, answer);
    return answer;
  };
  const isIptables = config.spec.proxy.mode === 'iptables';
  return {
    listeners: async (pod) => {
      const pid = processOf(config, pod);
      return pid === undefined ? undefined : listenersOf(pid);
    },
    isAgentRunning: (node) => processesIn(`${nodeCgroup(config.name, node)}/system`).some(isRunningAgent),
    knowsService: async (node, address, protocol, port) => {
      if (config.spec.proxy.mode === 'none') return true;
      if (!isIptables) return hasElement(inNode, node, address, protocol, port);
      const rules = await once(`iptables ${node}`, () => inNode(node, iptablesSave(address), '-t', 'nat'));
      return rules.stdout
        .split('\n')
        .some((rule) => rule.includes(`-d ${address}/`) && rule.includes(`--dport ${port} `));
    },
    forwards: (node) =>
      once(`forwards ${node}`, async () => {
        const { stdout } = await inNode(node, 'cat', '/proc/sys/net/ipv4/ip_forward');
        return stdout.trim() === '1';
      }),
    masquerades: async (node) =>
      (await inNode(node, 'nft', 'list', 'table', 'ip', 'knit-egress')).stdout.includes('masquerade'),
    foreignDrops: (node) => once(`drops ${node}`, () => foreignDrops(inNode, node, isIptables)),
    routes: () =>
      once('routes', async () => {
        const text = await run('ip', ['-json', '-n', fabricNetns(prefix), 'route']);
        const routes: { dst: string; gateway?: string; type?: string }[] = JSON.parse(text);
        return routes.filter(({ gateway }) => gateway !== undefined).map(({ dst }) => dst);
      }),
    isLinkUp: async (pod) => {
      const pid = processOf(config, pod);
      if (pid === undefined) return true;
      const links: { ifname: string; operstate: string }[] = JSON.parse(
        await run('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', '-json', 'link']),
      );
      return links.some(({ ifname, operstate }) => ifname === 'eth0' && operstate === 'UP');
    },
  };
}

type InNode = (node: string, ...command: string[]) => Promise<{ code: number; stdout: string }>;

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
  return processesIn(podCgroup(`${nodeCgroup(config.name, pod.spec?.nodeName ?? '')}/pods`, pod))[0];
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
