import { run, tryRun } from './run.ts';

/** Runs `ip` commands, one a line, in one process. `netns` names the namespace they run in; default: this one. */
export async function ipBatch(lines: readonly string[], netns?: string): Promise<void> {
  if (lines.length === 0) return;
  await run('ip', [...inNamespace(netns), '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Network namespaces by name, as `ip netns` lists them. */
export async function listNetns(): Promise<string[]> {
  const { stdout } = await tryRun('ip', ['-j', 'netns', 'list']);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as { name: string }[]).map((each) => each.name);
}

export interface IPv4Network {
  readonly cidr: string;
  readonly interface: string;
}

/** IPv4 networks that this machine has an address in or a route to; the default route is not one. */
export async function machineNetworks(): Promise<IPv4Network[]> {
  const routes: { dst: string; dev?: string }[] = JSON.parse(
    (await run('ip', ['-j', '-4', 'route', 'show', 'table', 'main'])) || '[]',
  );
  return routes
    .filter((route) => route.dst !== 'default')
    .map((route) => ({ cidr: route.dst.includes('/') ? route.dst : `${route.dst}/32`, interface: route.dev ?? '' }));
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
}

/** IPv4 routes of this namespace that carry a protocol number. */
export async function routesOf(protocol: number): Promise<Route[]> {
  const output = await run('ip', ['-j', '-4', 'route', 'show', 'proto', String(protocol)]);
  const routes: { dst: string; gateway?: string }[] = JSON.parse(output.trim() || '[]');
  return routes.map((route) => ({ destination: route.dst, gateway: route.gateway ?? '' }));
}
