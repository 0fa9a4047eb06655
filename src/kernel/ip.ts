import { type IPFamily, widthOf } from '../base/cidr.ts';
import { run, tryRun } from './run.ts';

/**
 * Runs `ip` commands, one a line, in one process. `netns` names the namespace they run in; default: this one. `family`
 * is for commands that name no address to tell it by.
 */
export async function ipBatch(lines: readonly string[], netns?: string, family?: IPFamily): Promise<void> {
  if (lines.length === 0) return;
  const flags = family === undefined ? [] : [flagOf(family)];
  await run('ip', [...inNamespace(netns), ...flags, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function flagOf(family: IPFamily): string {
  return family === 'ipv4' ? '-4' : '-6';
}

/** Network namespaces by name, as `ip netns` lists them. */
export async function listNetns(): Promise<string[]> {
  const { stdout } = await tryRun('ip', ['-j', 'netns', 'list']);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as { name: string }[]).map((each) => each.name);
}

export interface MachineNetwork {
  readonly cidr: string;
  readonly interface: string;
}

/** Networks that this machine has an address in or a route to; default routes and those of each link are none. */
export async function machineNetworks(families: readonly IPFamily[]): Promise<MachineNetwork[]> {
  return (await Promise.all(families.map(networksOfFamily))).flat();
}

async function networksOfFamily(family: IPFamily): Promise<MachineNetwork[]> {
  const routes: { dst: string; dev?: string }[] = JSON.parse(
    (await run('ip', ['-j', flagOf(family), 'route', 'show', 'table', 'main'])) || '[]',
  );
  return routes
    .filter((route) => route.dst !== 'default' && !route.dst.startsWith('fe80:'))
    .map(({ dst, dev = '' }) => ({ cidr: dst.includes('/') ? dst : `${dst}/${widthOf(family)}`, interface: dev }));
}

/** Interfaces of this machine by which it reaches others: those with an IPv4 route, the loopback and knit's excepted. */
export async function machineInterfaces(): Promise<string[]> {
  const routes: { dev?: string }[] = JSON.parse(
    (await run('ip', ['-j', '-4', 'route', 'show', 'table', 'main'])) || '[]',
  );
  return [...new Set(routes.flatMap((route) => route.dev ?? []))].filter(
    (name) => name !== 'lo' && !/^knit\d+$/.test(name),
  );
}

function inNamespace(netns: string | undefined): string[] {
  return netns === undefined ? [] : ['-n', netns];
}

export interface Route {
  readonly destination: string;
  readonly gateway: string;
  readonly table: string;
}

/** Routes of a namespace, left out: this one, of both families and in all tables, that carry a protocol number. */
export async function routesOf(protocol: number, netns?: string): Promise<Route[]> {
  const output = await run('ip', [
    ...inNamespace(netns),
    '-j',
    'route',
    'show',
    'table',
    'all',
    'proto',
    String(protocol),
  ]);
  const routes: { dst: string; gateway?: string; table?: string }[] = JSON.parse(output.trim() || '[]');
  return routes.map((route) => ({
    destination: route.dst,
    gateway: route.gateway ?? '',
    table: route.table ?? 'main',
  }));
}

/** Routing rules of this namespace that carry a protocol number, as `ip rule add` takes them but for the protocol. */
export async function rulesOf(protocol: number, family: IPFamily): Promise<string[]> {
  const output = await run('ip', ['-j', flagOf(family), 'rule', 'show', 'protocol', String(protocol)]);
  const rules: {
    priority: number;
    dst?: string;
    dstlen?: number;
    iif?: string;
    fwmark?: string;
    fwmask?: string;
    table: string;
    protocol?: string;
  }[] = JSON.parse(output.trim() || '[]');
  return rules
    .filter((rule) => rule.protocol === String(protocol))
    .map(({ priority, iif, dst, dstlen, fwmark, fwmask, table }) =>
      [
        `pref ${priority}`,
        ...(iif === undefined ? [] : [`iif ${iif}`]),
        ...(dst === undefined ? [] : [`to ${dst}/${dstlen ?? widthOf(family)}`]),
        ...(fwmark === undefined ? [] : [`fwmark ${fwmark}/${fwmask}`]),
        `lookup ${table}`,
      ].join(' '),
    );
}

/** The interfaces of a namespace by number, and which one leads to an address of its own link. */
export interface Links {
  readonly names: ReadonlyMap<number, string>;
  /** Address → interface, of routes to single addresses: a node's pods. */
  readonly neighbours: ReadonlyMap<string, string>;
  /** In bytes, by interface. */
  readonly mtus: ReadonlyMap<string, number>;
}

/** `enter` is what comes before a command to run it in the namespace. */
export async function linksOf(enter: readonly string[]): Promise<Links> {
  // A batch is of one family.
  const ask = async (input: string, ...family: string[]) => {
    const [command = 'ip', ...args] = [...enter, 'ip', ...family, '-j', '-batch', '-'];
    return (await run(command, args, { input })).trim().split('\n');
  };
  const [[links, routes], [routes6]] = await Promise.all([ask('link\nroute\n'), ask('route\n', '-6')]);
  const all: { ifindex: number; ifname: string; mtu: number }[] = JSON.parse(links || '[]');
  const ways = [routes, routes6].flatMap((text): { dst: string; dev?: string; gateway?: string }[] =>
    JSON.parse(text || '[]'),
  );
  return {
    names: new Map(all.map((link) => [link.ifindex, link.ifname])),
    neighbours: new Map(ways.flatMap(({ dst, dev, gateway }) => (dev && !gateway ? [[dst, dev] as const] : []))),
    mtus: new Map(all.map((link) => [link.ifname, link.mtu])),
  };
}

/** Runs `bridge` commands, one a line, in one process. */
export async function bridgeBatch(lines: readonly string[], netns?: string): Promise<void> {
  if (lines.length === 0) return;
  await run('bridge', [...inNamespace(netns), '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Addresses of a device that others can use, of both families; undefined where there is no such device. */
export async function addressesOn(device: string, netns?: string): Promise<string[] | undefined> {
  const { code, stdout } = await tryRun('ip', [...inNamespace(netns), '-j', 'addr', 'show', 'dev', device]);
  if (code !== 0) return undefined;
  const links: { addr_info?: { local: string; scope: string }[] }[] = JSON.parse(stdout);
  return links.flatMap(({ addr_info = [] }) =>
    addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local),
  );
}

/** Routes over a device that have a gateway, of both families: `10.244.1.0/24 via 10.244.1.0`. */
export async function routesOn(device: string, netns?: string): Promise<string[]> {
  const outputs = await Promise.all(
    ['-4', '-6'].map((flag) => run('ip', [...inNamespace(netns), '-j', flag, 'route', 'show', 'dev', device])),
  );
  const routes = outputs.flatMap((output): { dst: string; gateway?: string }[] => JSON.parse(output.trim() || '[]'));
  return routes.flatMap(({ dst, gateway }) => {
    const to = dst.includes('/') ? dst : `${dst}/${dst.includes(':') ? 128 : 32}`;
    return gateway === undefined ? [] : [`${to} via ${gateway}`];
  });
}

/** Neighbours on a device that somebody set: `10.244.1.0 lladdr 6a:6e:0a:59:00:0c`. */
export async function neighboursOn(device: string, netns?: string): Promise<string[]> {
  const output = await run('ip', [...inNamespace(netns), '-j', 'neigh', 'show', 'dev', device, 'nud', 'permanent']);
  const found: { dst: string; lladdr?: string }[] = JSON.parse(output.trim() || '[]');
  return found.flatMap(({ dst, lladdr }) => (lladdr === undefined ? [] : [`${dst} lladdr ${lladdr}`]));
}

/** Where a VXLAN device sends frames for a hardware address: `6a:6e:0a:59:00:0c dst 10.89.0.12`. */
export async function forwardingEntries(device: string, netns?: string): Promise<string[]> {
  const output = await run('bridge', [...inNamespace(netns), '-j', 'fdb', 'show', 'dev', device]);
  const found: { mac: string; dst?: string }[] = JSON.parse(output.trim() || '[]');
  return found.flatMap(({ mac, dst }) => (dst === undefined ? [] : [`${mac} dst ${dst}`]));
}
