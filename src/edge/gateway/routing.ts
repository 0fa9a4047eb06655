import type { RoutingPlan } from '../ingress/plan.ts';
import type { PlannedBackends } from '../ingress/planned-backends.ts';
import type { GatewaysPlan } from './plan.ts';

/** What the proxy should do for Gateways: their ports, and the backends that these want, with their servers. */
export function routingOf(
  { ports, answering, certificates, pems }: GatewaysPlan,
  backends: PlannedBackends,
): RoutingPlan {
  const planned = [...backends.plan().values()].map(({ backend }) => backend);
  return {
    routes: new Map(),
    ports,
    backends: new Map([...planned, ...answering.values()].map((each) => [each.name, each])),
    certificates,
    pems,
    nodes: backends.nodes,
    hosts: backends.hosts,
    trustedProxies: [],
  };
}
