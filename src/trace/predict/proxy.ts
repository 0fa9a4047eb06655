import { isIP } from 'node:net';
import type { IPFamily } from '../../base/cidr.ts';
import { mergePlans, type RoutingPlan } from '../../edge/ingress/plan.ts';
import type { BackendObjects } from '../../edge/ingress/planned-backends.ts';
import { serviceKeyOf } from '../../proxy/services.ts';
import type { Cause } from '../model.ts';
import type { Objects } from '../world.ts';
import { firstOfFamily } from './addresses.ts';
import { gatewayRouteOf, planGatewayRouting } from './gateway.ts';
import { ingressRouteOf, planIngressRouting } from './ingress.ts';

/** A request of HTTP or HTTPS, as the L7 proxy sees it. */
export interface ProxyRequest {
  readonly url: URL;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Of the address that is asked, where there is a choice. */
  readonly family?: IPFamily;
}

/** What the L7 proxy does with a request. */
export interface ProxyRoute {
  /** The proxy's, which the request goes to. */
  readonly address: string;
  /** Whose the URL is: `Ingress shop/web`. */
  readonly owner: string;
  /** Whose rule it is, and for which requests. */
  readonly cause: Cause;
  /** Those that it may be sent to: one of them is drawn. None: 404. */
  readonly backends: readonly string[];
}

/** What the L7 proxy should do. Certificates of Ingresses are left out: requests go the same way without. */
export function planRouting(objects: Objects): RoutingPlan {
  const slices = Map.groupBy(objects.endpointSlices, serviceKeyOf);
  const keyOf = (object: { metadata?: { namespace?: string; name?: string } }) =>
    `${object.metadata?.namespace}/${object.metadata?.name}`;
  const services = new Map(objects.services.map((service) => [keyOf(service), service]));
  const behind: BackendObjects = {
    service: (key) => services.get(key),
    slices: (key) => slices.get(key) ?? [],
    nodes: () => objects.nodes,
  };
  return mergePlans([planIngressRouting(objects, behind), ...planGatewayRouting(objects, behind)]);
}

/**
 * Whose a URL is: an address is a Gateway's or the proxy's own (`own`), a name that of an Ingress, else of a Gateway,
 * that names it. Undefined: the proxy has nothing to do with it.
 */
export function proxyRouteOf(plan: RoutingPlan, own: readonly string[], request: ProxyRequest): ProxyRoute | undefined {
  const { host, port, url, family } = request;
  const address = own.find((each) => each === host) ?? firstOfFamily(own, family);
  const isUsual = port === (url.protocol === 'https:' ? 443 : 80);
  const isOurs = address !== undefined && isUsual && (!isIP(host) || host === address);
  const named = isOurs ? ingressRouteOf(plan, address, host, url.pathname, 'named') : undefined;
  const any = () => (isOurs ? ingressRouteOf(plan, address, host, url.pathname, 'any') : undefined);
  return named ?? gatewayRouteOf(plan, request) ?? any();
}

/** How the proxy answers by itself; undefined where it asks somebody. */
export function ownAnswerOf({ backends }: RoutingPlan, route: ProxyRoute): string | undefined {
  const targets = route.backends.flatMap((name) => backends.get(name) ?? []);
  if (targets.some(({ servers }) => servers.length > 0)) return undefined;
  const [first] = targets;
  if (!first) return 'no route has it, the proxy answers with 404';
  const { redirect, answer } = first.policy;
  if (redirect) return `the proxy answers with ${redirect.code}: clients are sent elsewhere`;
  return `the proxy answers with ${answer ?? 503}: ${answer ? 'its backend cannot be had' : 'its backend has no server'}`;
}
