/**
 * What the proxy should do, as a plain value: where requests go, to whom, and by which certificates. It knows nothing
 * of Ingress objects, nor of HAProxy: a front end (Ingress; Gateway API) makes claims and wants of its objects, and
 * whatever serves, predicts or explains reads the same plan.
 */
export interface RoutingPlan {
  /** By {@link routeKey}. */
  readonly routes: ReadonlyMap<string, Route>;
  /** Those of Gateways, by name. */
  readonly ports: ReadonlyMap<string, PortPlan>;
  /** By name. */
  readonly backends: ReadonlyMap<string, BackendPlan>;
  /** By name. */
  readonly certificates: ReadonlyMap<string, CertificatePlan>;
  /** Certificates of authorities, and what the proxy shows to servers, by name. */
  readonly pems: ReadonlyMap<string, string>;
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

/** A port of addresses that are nobody else's, and where its requests go. */
export interface PortPlan {
  /** `shop_web_443` */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  /** HTTP; HTTP in TLS; any stream in TLS that ends here, or that is passed on as it is, led by its server name. */
  readonly protocol: 'http' | 'https' | 'tls' | 'passthrough';
  /** Clients must show a certificate of these authorities; insecure: they may. */
  readonly clients?: { readonly authority: string; readonly insecure: boolean };
  /** Hosts that are apart from each other: of HTTPS a connection for one of them carries no requests for another. */
  readonly listeners: readonly string[];
  /** The more specific first; a request is answered by the first one that means its host, and by no other. */
  readonly hosts: readonly HostPlan[];
}

export interface HostPlan {
  /** Lower case; `*.example.com`: one label more, or several; `''`: any. */
  readonly host: string;
  /** A request is answered by the longest path that it has; there is one for all, the prefix `/`. */
  readonly paths: readonly PathPlan[];
}

export interface PathPlan {
  readonly match: RouteMatch['match'];
  readonly path: string;
  /** The first one whose conditions hold is taken. Where none does: 404. */
  readonly choices: readonly Choice[];
}

export interface Choice {
  readonly when: readonly RequestCondition[];
  /** At least one: their weights are shares of the requests. */
  readonly backends: readonly WeightedBackend[];
  /** `namespace/name` of the object that says so. */
  readonly source: string;
  /** Its kind. */
  readonly kind: string;
  /** Which of its rules, from 0. */
  readonly rule: number;
}

export interface WeightedBackend {
  readonly backend: string;
  readonly weight: number;
}

/** What is asked of a request beside its host and path. Regular expressions mean the whole text. */
export type RequestCondition =
  | { readonly on: 'method'; readonly value: string }
  | { readonly on: 'path'; readonly regex: string }
  | ({ readonly on: 'header' | 'query'; readonly name: string } & (
      | { readonly value: string }
      | { readonly regex: string }
    ));

export interface BackendPlan {
  readonly name: string;
  readonly policy: BackendPolicy;
  readonly servers: readonly ServerPlan[];
}

/** TLS to servers that must be who they say. */
export interface BackendTLS {
  /** They are asked for by this name, and their certificates have it. */
  readonly hostname: string;
  /** Name of the authorities that signed them; left out: the machine's own. */
  readonly authority?: string;
  /** Name of the chain and key that is shown to those who ask for one. */
  readonly certificate?: string;
}

export type BackendProtocol = 'http' | 'https' | 'h2c' | 'grpcs' | 'tcp';

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
  /** All requests are sent to this URL, or to where they would be elsewhere, with this code. */
  readonly redirect?: { readonly url: string; readonly code: number } | Elsewhere;
  /** The matched prefix is replaced, or the whole path. */
  readonly rewrite?: { readonly prefix: string; readonly to: string } | { readonly path: string };
  /** The host that servers are told. */
  readonly host?: string;
  /** In this order. */
  readonly requestHeaders?: readonly HeaderChange[];
  readonly responseHeaders?: readonly HeaderChange[];
  /** Over the protocol; without it servers with TLS are not asked who they are. */
  readonly tls?: BackendTLS;
  /** What pages of other origins may do. */
  readonly cors?: CrossOrigin;
  /** All requests are answered so. */
  readonly answer?: number;
  /** Streams, of whatever protocol, instead of HTTP. */
  readonly stream?: boolean;
}

/** The URL of a request, after its rewrite, with another origin. */
export interface Elsewhere {
  readonly scheme: string;
  /** Left out: that of the request. */
  readonly host?: string;
  /** Left out: the scheme's own. */
  readonly port?: number;
  readonly code: number;
}

/** What pages of other origins may ask, and see; `*` is all. */
export interface CrossOrigin {
  /** `https://shop.test`, `https://*.test` */
  readonly origins: readonly string[];
  readonly credentials: boolean;
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  /** Seconds. */
  readonly maxAge: number;
}

export type HeaderChange =
  | { readonly change: 'set' | 'add'; readonly name: string; readonly value: string }
  | { readonly change: 'remove'; readonly name: string };

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
  /** Name of the port that it is for; left out: for Ingresses. The first one of a port serves where none has the name. */
  readonly port?: string;
}

/** `shop.example.com/cart`; for exactly this path `shop.example.com/cart (exactly)`. No path has a space. */
export function routeKey({ host, match, path }: RouteMatch): string {
  const bare = match === 'prefix' ? path.replace(/\/+$/, '') || '/' : path;
  return `${host}${bare}${match === 'exact' ? ' (exactly)' : ''}`;
}

/** One plan of several: nodes are the same for all. */
export function mergePlans(plans: readonly RoutingPlan[]): RoutingPlan {
  return {
    routes: new Map(plans.flatMap(({ routes }) => [...routes])),
    ports: new Map(plans.flatMap(({ ports }) => [...ports])),
    backends: new Map(plans.flatMap(({ backends }) => [...backends])),
    certificates: new Map(plans.flatMap(({ certificates }) => [...certificates])),
    pems: new Map(plans.flatMap(({ pems }) => [...pems])),
    nodes: plans[0]?.nodes ?? [],
    hosts: plans[0]?.hosts ?? [],
    trustedProxies: plans.flatMap(({ trustedProxies }) => trustedProxies),
  };
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
  const ports = [...plan.ports.values()].flatMap(({ name, hosts }) =>
    hosts.flatMap(({ host, paths }) =>
      paths.flatMap(({ match, path, choices }) =>
        choices.map((choice) => `${name} ${routeKey({ host, match, path })}${formatChoice(choice)}`),
      ),
    ),
  );
  return [routes, ports, backends, certificates].flatMap((lines) => lines.toSorted()).join('\n');
}

function formatChoice({ when, backends, source }: Choice): string {
  const conditions = when.map((each) => {
    const name = 'name' in each ? ` ${each.name}` : '';
    return `${each.on}${name} ${'regex' in each ? `~ ${each.regex}` : `= ${each.value}`}`;
  });
  const targets = backends.map(({ backend, weight }) => (backends.length > 1 ? `${weight} ${backend}` : backend));
  return `${conditions.length > 0 ? ` if ${conditions.join(', ')}` : ''} → ${targets.join(' + ')} (${source})`;
}

function formatTarget({ backend, source, canary }: Route): string {
  const aside = canary ? `, ${canary.weight} % to ${canary.backend} (${canary.source})` : '';
  return `${backend} (${source})${aside}`;
}
