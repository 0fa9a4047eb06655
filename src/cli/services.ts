import type { Command } from 'commander';
import { enterNodeTarget } from '../cluster/enter.ts';
import { nodeOf, runningConfig } from '../cluster/running.ts';
import { readWorld } from '../cluster/tracing.ts';
import { listAllFlows, type TrackedFlow } from '../kernel/conntrack.ts';
import type { FrontEnd, PlanEntry, PlannedEndpoint, PortPlan } from '../proxy/plan.ts';
import { Atlas } from '../trace/world.ts';
import { nameOption, outputOption } from './options.ts';
import { bold, dim, print, printJson, red, table, yellow } from './output.ts';

interface Flags {
  readonly name: string;
  readonly node?: string;
  readonly output: string;
}

export function servicesCommand(program: Command): void {
  program
    .command('services')
    .description("what a node's kernel does for each Service: virtual address → endpoints, with shares and connections")
    .argument('[service]', 'NAME or NAMESPACE/NAME; default: all')
    .addOption(nameOption())
    .option('--node <node>', 'whose kernel (default: the first node)')
    .addOption(outputOption())
    .action(draw);
}

async function draw(service: string | undefined, flags: Flags): Promise<void> {
  const config = runningConfig(flags.name);
  const node = flags.node === undefined ? (config.nodes[0]?.name ?? '') : nodeOf(config, flags.node).name;
  const key = service === undefined || service.includes('/') ? service : `default/${service}`;
  const plan = new Atlas(await readWorld(config)).servicePlan(node);
  const entries = [...plan.values()]
    .filter((entry) => key === undefined || entry.key === key)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const flows = await flowsOf([...enterNodeTarget(config, node), 'conntrack']);
  if (flags.output === 'json')
    return printJson({ node, services: entries.map((entry) => withConnections(entry, flows)) });
  if (entries.length === 0) return print(`node ${node} has no Service${key ? ` ${key}` : ''} with a virtual address`);
  print(
    [
      `${bold(node)}, proxy mode ${config.spec.proxy.mode}`,
      ...entries.flatMap((each) => drawEntry(each, node, flows)),
    ].join('\n'),
  );
}

/** Connections that the node's kernel translated, by the endpoint that answers. */
type Connections = ReadonlyMap<string, readonly TrackedFlow[]>;

async function flowsOf(command: readonly string[]): Promise<Connections> {
  const flows = await Promise.all([listAllFlows('ipv4', { command }), listAllFlows('ipv6', { command })]);
  return Map.groupBy(
    flows.flat(),
    ({ protocol, replyAddress, replyPort }) => `${protocol} ${replyAddress} ${replyPort}`,
  );
}

/** Of one Service port with one endpoint; a node port's come to any address of the node. */
function connectionsTo(port: PortPlan, endpoint: PlannedEndpoint, flows: Connections): number {
  const fronts = port.frontEnds;
  return (flows.get(`${port.protocol} ${endpoint.address} ${endpoint.port}`) ?? []).filter((flow) =>
    fronts.some(
      (front) =>
        front.port === flow.port &&
        (front.address === undefined ? flow.address !== endpoint.address : front.address === flow.address),
    ),
  ).length;
}

function withConnections(entry: PlanEntry, flows: Connections) {
  const counted = (port: PortPlan) => (endpoint: PlannedEndpoint) => ({
    ...endpoint,
    connections: connectionsTo(port, endpoint, flows),
  });
  const ports = entry.ports.map((port) => ({
    ...port,
    pools: Object.fromEntries(Object.entries(port.pools).map(([name, pool]) => [name, pool.map(counted(port))])),
  }));
  return { ...entry, ports };
}

function drawEntry(entry: PlanEntry, node: string, flows: Connections): string[] {
  const health = entry.healthCheck;
  const check = health ? [`  health check on node port ${health.port}: ${health.localEndpoints} endpoints here`] : [];
  return [...entry.ports.flatMap((port) => drawPort(port, node, flows)), ...check.map(dim)];
}

function drawPort(port: PortPlan, node: string, flows: Connections): string[] {
  const affinity =
    port.affinitySeconds === undefined ? '' : `, a client keeps its endpoint for ${port.affinitySeconds} s`;
  const fronts = table(port.frontEnds.map((front) => [addressOf(front), front.kind, whereTo(front, port)]));
  const pools = Object.entries(port.pools).filter(([, pool]) => pool.length > 0);
  return [
    '',
    `${bold(port.label)} ${dim(port.protocol + affinity)}`,
    ...fronts.split('\n').map((line) => `  ${line.trimEnd()}`),
    ...pools.flatMap(([name, pool]) => [
      `  ${pools.length > 1 ? `${nameOfPool[name as keyof typeof nameOfPool]}:` : '│'}`,
      ...drawPool(port, pool, node, flows),
    ]),
  ];
}

const nameOfPool = { cluster: 'endpoints', local: 'endpoints of this node' } as const;

function drawPool(port: PortPlan, pool: readonly PlannedEndpoint[], node: string, flows: Connections): string[] {
  const share = `${Number((100 / pool.length).toPrecision(3))} %`;
  const rows = pool.map((endpoint) => [
    share,
    `${bracketed(endpoint.address)}:${endpoint.port}`,
    endpoint.target ?? '',
    endpoint.nodeName === node ? 'here' : (endpoint.nodeName ?? ''),
    countOf(connectionsTo(port, endpoint, flows)),
  ]);
  const lines = table(rows).split('\n');
  return lines.map((line, index) => `  ${index === lines.length - 1 ? '└' : '├'}─ ${line.trimEnd()}`);
}

function countOf(connections: number): string {
  return connections === 0 ? '' : `${connections} connection${connections === 1 ? '' : 's'}`;
}

function addressOf({ address, port }: FrontEnd): string {
  return `${address === undefined ? 'any node address' : bracketed(address)}:${port}`;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function whereTo(front: FrontEnd, port: PortPlan): string {
  const several = Object.keys(port.pools).length > 1;
  const said = {
    cluster: several ? '→ endpoints' : '',
    local: '→ endpoints of this node',
    refuse: red('refused'),
    drop: yellow('dropped'),
  };
  const outside =
    front.fromOutside === front.fromCluster ? '' : `, from outside ${said[front.fromOutside] || '→ endpoints'}`;
  const ranges = front.sourceRanges ? `, only from ${front.sourceRanges.join(' ')}` : '';
  return `${said[front.fromCluster]}${outside}${ranges}`.replace(/^, /, '');
}
