/**
 * What the proxy should do, as a plain value: where requests go, to whom, and by which certificates. It knows nothing
 * of Ingress objects, nor of HAProxy: a front end (Ingress; Gateway API) makes claims and wants of its objects, and
 * whatever serves, predicts or explains reads the same plan.
 */
export interface RoutingPlan {
  /** By {@link routeKey}. */
  readonly routes: ReadonlyMap<string, Route>;
  /** By name. */
  readonly backends: ReadonlyMap<string, BackendPlan>;
  /** By name. */
  readonly certificates: ReadonlyMap<string, CertificatePlan>;
  /** Those whose ports may be used. */
  readonly nodes: readonly ProxyNode[];
  /** All. */
  readonly hosts: readonly ProxyNode[];
  /** Whoever connects from here says first, by the PROXY protocol, for whom. Networks in CIDR form. */
  readonly trustedProxies: readonly string[];
}

/** Which requests: a host and a path. */
export interface RouteMatch {
  /** Lower case; `*.example.com`: one label more; `''`: any. */
  readonly host: string;
  /** `prefix` compares whole elements: `/shop` matches `/shop` and `/shop/1`, not `/shopping`. */
  readonly match: 'exact' | 'prefix';
  readonly path: string;
}

export interface Route extends RouteMatch {
  readonly backend: string;
  /** `namespace/name` of the object that says so. */
  readonly source: string;
  readonly canary?: CanaryRoute;
}

/** A part of a route's requests goes elsewhere. */
export interface CanaryRoute extends CanaryRule {
  readonly backend: string;
  readonly source: string;
}

export interface CanaryRule {
  /** Of 100 requests. */
  readonly weight: number;
  /** A request with this header goes there for `value`, and not for `never`. */
  readonly header?: string;
  /** Default `always`. */
  readonly value?: string;
}

export interface BackendPlan {
  readonly name: string;
  readonly policy: BackendPolicy;
  readonly servers: readonly ServerPlan[];
}

export type BackendProtocol = 'http' | 'https' | 'h2c' | 'grpcs';

/** How a backend is spoken to, and what is done to its requests. Left out: the proxy's default. */
export interface BackendPolicy {
  readonly connectTimeoutMs?: number;
  /** Between two bytes of an answer. */
  readonly responseTimeoutMs?: number;
  /** Of a WebSocket on which nothing moves. */
  readonly tunnelTimeoutMs?: number;
  /** Name of the cookie that keeps a client on one server. */
  readonly affinityCookie?: string;
  readonly proxyProtocol?: 'v1' | 'v2';
  /** Plain HTTP is sent to HTTPS. */
  readonly httpsRedirect?: boolean;
  /** All requests are sent to this URL, with this code. */
  readonly redirect?: { readonly url: string; readonly code: number };
  /** The matched prefix is replaced. */
  readonly rewrite?: { readonly prefix: string; readonly to: string };
}

/** One address that requests are sent to: a node's port, or a pod. */
export interface ServerPlan {
  /** `node-2` for a node's port, `node-2:web-7d9f` for a pod: as logs and metrics show it. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: BackendProtocol;
  /** A port of this node: it serves while the node's service proxy says that it does. */
  readonly node?: string;
  /** A pod on this node: it serves while the node answers at all. */
  readonly host?: string;
}

/** A node, which is asked whether it is healthy. */
export interface ProxyNode {
  readonly name: string;
  readonly address: string;
}

export interface CertificatePlan {
  /** `namespace_secret` */
  readonly name: string;
  /** Chain and key, PEM. */
  readonly pem: string;
  /** It is shown for these names; empty: for those that stand in the certificate. */
  readonly hosts: readonly string[];
}

/** `shop.example.com/cart`; for exactly this path `shop.example.com/cart (exactly)`. No path has a space. */
export function routeKey({ host, match, path }: RouteMatch): string {
  const bare = match === 'prefix' ? path.replace(/\/+$/, '') || '/' : path;
  return `${host}${bare}${match === 'exact' ? ' (exactly)' : ''}`;
}

/** The plan as lines that a person reads, sorted. */
export function formatPlan(plan: RoutingPlan): string {
  const routes = [...plan.routes.values()].map((route) => `${routeKey(route)} → ${formatTarget(route)}`);
  const backends = [...plan.backends.values()].map(
    ({ name, servers }) =>
      `${name}: ${servers.map((server) => `${server.name} ${server.address}:${server.port}`).join(', ') || '-'}`,
  );
  const certificates = [...plan.certificates.values()].map(
    ({ name, hosts }) => `${name} for ${hosts.join(' ') || 'its own names'}`,
  );
  return [routes, backends, certificates].flatMap((lines) => lines.toSorted()).join('\n');
}

function formatTarget({ backend, source, canary }: Route): string {
  const aside = canary ? `, ${canary.weight} % to ${canary.backend} (${canary.source})` : '';
  return `${backend} (${source})${aside}`;
}
