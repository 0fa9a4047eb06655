import { covering } from '../../edge/gateway/hostnames.ts';
import { planGateways } from '../../edge/gateway/plan.ts';
import { gatewayOfPort } from '../../edge/gateway/ports.ts';
import { gatewayObjects } from '../../edge/gateway/reading.ts';
import { chooseRoute } from '../../edge/gateway/requests.ts';
import { routingOf } from '../../edge/gateway/routing.ts';
import type { PortPlan, RoutingPlan } from '../../edge/ingress/plan.ts';
import { type BackendObjects, PlannedBackends } from '../../edge/ingress/planned-backends.ts';
import type { Objects } from '../world.ts';
import { firstOfFamily } from './addresses.ts';
import type { ProxyRequest, ProxyRoute } from './proxy.ts';

/** What the L7 proxy should do for Gateways; nothing where the cluster has none. */
export function planGatewayRouting({ gateways, services, namespaces }: Objects, behind: BackendObjects): RoutingPlan[] {
  if (!gateways) return [];
  const plan = planGateways(gatewayObjects(gateways, services, namespaces));
  const backends = new PlannedBackends(behind);
  backends.want(plan.wants);
  backends.nodesChanged();
  return [routingOf(plan, backends)];
}

/** What a Gateway does with a request to its address, or to a host that a listener or a route of it names. */
export function gatewayRouteOf(plan: RoutingPlan, request: ProxyRequest): ProxyRoute | undefined {
  const { url, host, headers, family } = request;
  const port = portOf(plan, request);
  const address = port?.addresses.find((each) => each === host) ?? firstOfFamily(port?.addresses ?? [], family);
  if (!port || address === undefined) return undefined;
  const owner = `Gateway ${gatewayOfPort(port)}`;
  const chosen = chooseRoute(port, {
    host: host.toLowerCase(),
    method: 'GET',
    path: url.pathname,
    query: url.searchParams,
    headers,
  });
  if (!chosen) return { address, owner, cause: { object: owner, text: 'no route has it' }, backends: [] };
  const { kind, source, rule, backends } = chosen.choice;
  const text = `rule ${rule + 1} of ${kind} ${source}, host ${chosen.host || 'any'}, path ${chosen.path.path}`;
  return { address, owner, cause: { object: owner, text }, backends: backends.map(({ backend }) => backend) };
}

/** By its address, else by the host that means the name most specifically. */
function portOf({ ports }: RoutingPlan, { url, host, port: number }: ProxyRequest): PortPlan | undefined {
  const isSecure = url.protocol === 'https:';
  const possible = [...ports.values()].filter(
    ({ port, protocol }) => port === number && (protocol !== 'http') === isSecure,
  );
  const named = covering(host.toLowerCase()).filter((each) => each !== '');
  return (
    possible.find(({ addresses }) => addresses.includes(host)) ??
    named
      .map((name) => possible.find(({ hosts }) => hosts.some((each) => each.host === name)))
      .find((each) => each !== undefined)
  );
}
