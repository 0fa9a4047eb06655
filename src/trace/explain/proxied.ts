import type { Node, Service } from '../../api/types.ts';
import { familyOf } from '../../base/cidr.ts';
import { type BackendWant, planBackend, proxyNodes } from '../../edge/ingress/backends.ts';
import type { ServerPlan } from '../../edge/ingress/plan.ts';
import type { PlannedEndpoint, PortPlan } from '../../proxy/plan.ts';
import { planService } from '../../proxy/services.ts';
import { nodeFactsOf } from '../balance.ts';
import { tunnelEndsOf } from '../world.ts';
import { type Backend, mostBackends } from './endpoints.ts';
import type { Facts, ProxySource } from './facts.ts';
import type { Report } from './model.ts';
import { type Connection, checkWaysIn, type End } from './policies.ts';

/** A connection that a request may come by. */
interface Way extends Connection {
  readonly backend: Backend;
  readonly byNodePort: boolean;
}

type Want = Omit<BackendWant, 'name'>;

const howNodesPassOn = 'it comes by node ports: a pod’s own node shows it the proxy’s address, any other node its own';

/**
 * Whether the policies of a backend's pods let the proxy in, by every way that the plans of the proxy and of the nodes
 * have for it. Gives the endpoints that it comes to.
 */
export async function checkProxied(
  report: Report,
  facts: Facts,
  service: Service,
  want: Want,
  backends: readonly Backend[],
): Promise<readonly Backend[]> {
  if (!facts.proxy) return backends;
  const ways = await waysOf(facts, facts.proxy, service, want, backends.slice(0, mostBackends));
  const evidence = ways.some(({ byNodePort }) => byNodePort) ? [howNodesPassOn] : [];
  const closed = new Set(await checkWaysIn(report, facts, ways, evidence));
  if (closed.size > 0 && closed.size === ways.length) return [];
  return backends.filter((backend) => {
    const own = ways.filter((way) => way.backend === backend);
    return own.length === 0 || own.some((way) => !closed.has(way));
  });
}

async function waysOf(
  facts: Facts,
  proxy: ProxySource,
  service: Service,
  want: Want,
  backends: readonly Backend[],
): Promise<Way[]> {
  const slices = await facts.slices(want.namespace, want.service);
  const nodes = await facts.nodes();
  const { servers } = planBackend({ ...want, name: '' }, service, slices, proxyNodes(nodes)).backend;
  const wayTo = (to: { address: string; port: number }, source: End, byNodePort: boolean): Way[] =>
    backends
      .filter(({ address, port }) => address === to.address && port === to.port)
      .map((backend) => ({ backend, source, destination: backend, protocol: 'tcp', port: to.port, byNodePort }));
  return servers.flatMap((server) => {
    const node = nodes.find(({ metadata }) => metadata?.name === server.node);
    if (!node) return wayTo(server, itself(proxy.inside ?? proxy.addresses, server), false);
    const endpoints = poolOf(planService(service, slices, nodeFactsOf(node))?.ports ?? [], server);
    const sourceTo = ({ local }: PlannedEndpoint) =>
      local ? itself(proxy.addresses, server) : otherNode(proxy, node, server);
    return endpoints.flatMap((endpoint) => wayTo(endpoint, sourceTo(endpoint), true));
  });
}

/** Where a node leads those to that come to its port from outside. */
function poolOf(ports: readonly PortPlan[], { address, port }: ServerPlan): readonly PlannedEndpoint[] {
  for (const { family, frontEnds, pools } of ports) {
    const front = frontEnds.find((each) => each.kind === 'NodePort' && each.port === port);
    if (!front || family !== familyOf(address)) continue;
    return front.fromOutside === 'cluster' || front.fromOutside === 'local' ? (pools[front.fromOutside] ?? []) : [];
  }
  return [];
}

const itself = (addresses: readonly string[], { address }: ServerPlan): End => ({
  name: 'the proxy',
  address: ofFamily(addresses, address),
});

/** A node that passes a request on has the answer come back through it: policies there see its own address. */
function otherNode({ inside }: ProxySource, { metadata, spec }: Node, { address }: ServerPlan): End {
  const own = inside ? tunnelEndsOf({ podCIDRs: spec?.podCIDRs ?? [] }) : [address];
  return { name: metadata?.name, address: ofFamily(own, address) };
}

const ofFamily = (addresses: readonly string[], asked: string): string =>
  addresses.find((each) => familyOf(each) === familyOf(asked)) ?? '';
