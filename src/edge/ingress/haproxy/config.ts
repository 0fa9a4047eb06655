import type {
  BackendPlan,
  BackendPolicy,
  BackendProtocol,
  BackendTLS,
  CanaryRoute,
  PortPlan,
  ProxyNode,
  RoutingPlan,
  ServerPlan,
} from '../plan.ts';
import { certificateListPath, certificatePath, type ProxyFiles } from './files.ts';
import { policyLines } from './policies.ts';
import { requestPortLines, streamPortLines } from './ports.ts';
import { beforeHost, endOfRequest, field, lineStart, nowhere } from './routes.ts';
import { type Aliases, spareNames } from './spares.ts';

/** What the proxy is told beside the plan. */
export interface ProxyOptions {
  readonly files: ProxyFiles;
  /** Where it is reached, one address a family. */
  readonly addresses: readonly string[];
  /** Who may read its metrics. Networks in CIDR form. */
  readonly metricsFor: readonly string[];
  /** So long it waits for a server to accept a connection, before it asks another one. */
  readonly connectTimeoutMs: number;
}

export const metricsPort = 8404;

/** Sections by name, without servers: what differs here needs a reload, servers do not. */
export type Frame = ReadonlyMap<string, string>;
/** Servers by backend and name: the words of a `server` line after its name. */
export type Servers = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The backend of nodes, whose health the servers of others share. */
const nodesBackend = 'nodes';
/** The backend of nodes that only need to be there, for pods on them. */
const hostsBackend = 'hosts';
/** Service proxies tell here whether they are healthy. */
const healthPort = 10256;

export function frameOf(plan: RoutingPlan, options: ProxyOptions, aliases: Aliases = new Map()): Frame {
  const named = [...plan.backends.values()].filter(({ name }) => !aliases.has(name));
  return new Map([
    ['global', globalSection(options.files)],
    ['defaults', defaults(options)],
    ['frontend ingress', frontend(plan, options)],
    ['frontend metrics', metrics(options)],
    ['backend unclaimed', unclaimed],
    ['backend refused', refused],
    ...[...plan.ports.values()].map((port) => [`frontend ${port.name}`, portSection(port, options)] as const),
    [`backend ${nodesBackend}`, nodesSection],
    [`backend ${hostsBackend}`, `backend ${hostsBackend}`],
    ...spareNames.map((name) => [`backend ${name}`, `backend ${name}`] as const),
    ...named.map((each) => [`backend ${each.name}`, backendSection(each)] as const),
  ]);
}

export function serversOf(plan: RoutingPlan, files: ProxyFiles, aliases: Aliases = new Map()): Servers {
  return new Map([
    [nodesBackend, nodeServers(plan.nodes)],
    [hostsBackend, nodeServers(plan.hosts)],
    ...[...plan.backends.values()].map(
      ({ name, policy, servers }) =>
        [
          aliases.get(name) ?? name,
          new Map(servers.map((each) => [each.name, serverWords(each, policy, files)])),
        ] as const,
    ),
  ]);
}

/** The configuration whole, as a process that starts reads it. */
export function formatConfig(frame: Frame, servers: Servers): string {
  return [...frame]
    .map(([name, text]) => {
      const own = servers.get(name.replace(/^backend /, '')) ?? new Map<string, string>();
      return `${text}\n${[...own].map(([server, words]) => `  server ${server} ${words}\n`).join('')}`;
    })
    .join('\n');
}

function globalSection(files: ProxyFiles): string {
  return `global
  stats socket ${files.socket} mode 600 level admin expose-fd listeners
  stats timeout 1d
  user nobody
  group nogroup
  maxconn 15000
  # A machine whose limit of open files is less than twice as much: most connections of clients wait, with one file each.
  no strict-limits
  # Connections that outlive a reload keep a process each time: not for ever, and not without end.
  hard-stop-after 1h
  mworker-max-reloads 50
  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.2`;
}

/**
 * A server that cannot be reached, or whose connection ends without an answer, is replaced by another one. That a pod's
 * kernel is gone shows by its silence, wherever on the way the pod is known: where nothing is to be sent it is asked for
 * a sign of life; where something is, see `src/machine/ingress.ts`.
 */
const defaults = ({ connectTimeoutMs }: ProxyOptions): string => `defaults
  mode http
  balance roundrobin
  timeout connect ${connectTimeoutMs}ms
  timeout check 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 15s
  timeout http-keep-alive 60s
  timeout queue 10s
  option idle-close-on-response
  option srvtcpka
  srvtcpka-idle 1s
  srvtcpka-intvl 1s
  srvtcpka-cnt 1
  option redispatch 1
  retries 10
  retry-on conn-failure empty-response
  option dontlognull`;

const unclaimed = `backend unclaimed
  http-request return status 404 content-type text/plain string "no route has this host and path\\n"`;

const refused = `backend refused
  mode tcp
  tcp-request content reject`;

/** Which nodes' ports are used is asked of their service proxies, as load balancers do it. */
const nodesSection = `backend ${nodesBackend}
  option httpchk
  http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host knit
  http-check expect status 200`;

/** Clients may be silent for as long as `timeout client` says, however soon servers are given up. */
const clientPatience = 'tcp-ut 60s';

function metrics(options: ProxyOptions): string {
  return `frontend metrics
  ${binds(metricsPort, options).join('\n  ')}
  http-request set-log-level silent
  http-request deny unless { src ${options.metricsFor.join(' ')} }
  http-request use-service prometheus-exporter if { path /metrics }
  http-request return status 404`;
}

function binds(port: number, { addresses }: ProxyOptions, more = ''): string[] {
  return addresses.map((address) => `bind ${address}:${port} ${more}`.trim());
}

function frontend(plan: RoutingPlan, options: ProxyOptions): string {
  const { trustedProxies } = plan;
  const canaries = [...plan.routes.values()].flatMap(({ canary }) => canary ?? []);
  const lines = [
    ...binds(80, options, clientPatience),
    ...binds(443, options, `ssl crt-list ${options.files.certificateList} alpn h2,http/1.1 ${clientPatience}`),
    ...(trustedProxies.length > 0
      ? [`tcp-request connection expect-proxy layer4 if { src ${trustedProxies.join(' ')} }`]
      : []),
    ...requestLines,
    ...lookUps(plan, options.files.routes),
    ...canaryLines(canaries),
    ...logLines,
    ...(canaries.length > 0
      ? [`use_backend %[var(txn.route),field(${field.canary},;)] if { var(txn.canary) -m bool }`]
      : []),
    `use_backend %[var(txn.route),field(${field.backend},;)]`,
    'default_backend unclaimed',
  ];
  return `frontend ingress\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

/**
 * Most hosts are written as routes have them, and found by one look-up, where the rules end. Who writes another way, in
 * capitals or with a port, is looked for by what is meant; then come the hosts with a wildcard, and rules for any host.
 */
function lookUps({ routes }: RoutingPlan, file: string): string[] {
  const all = [...routes.values()];
  const hasWildcards = all.some(({ host }) => host.startsWith('*.'));
  const ofRequest = `concat(,txn.path,${endOfRequest})`;
  const keys = [
    `var(txn.host),${ofRequest}`,
    ...(hasWildcards ? [`str(*.),concat(,txn.parent),${ofRequest}`] : []),
    ...(all.some(({ host }) => host === '') ? [`var(txn.path),concat(${endOfRequest})`] : []),
  ];
  const last = keys.pop();
  return [
    'acl routed var(txn.route) -m found',
    `http-request set-var(txn.route) base,concat(${endOfRequest}),map_beg(${file})`,
    ...(all.some(({ canary }) => canary) ? [] : ['http-request allow if routed']),
    'http-request set-var(txn.host) req.hdr(host),host_only,lower unless routed',
    'http-request set-var(txn.path) path unless routed',
    ...(hasWildcards ? ['http-request set-var(txn.parent) var(txn.host),field(2,.,0) unless routed'] : []),
    ...keys.map((key) => `http-request set-var(txn.route) ${key},map_beg(${file}) unless routed`),
    `http-request set-var(txn.route) ${last},map_beg(${file},${nowhere}) unless routed`,
    // The log tells the host of the route's value, and this one where the value has none.
    'http-request set-var(txn.host) var(txn.host),url_enc if { var(txn.path) -m found }',
    `http-request set-var(txn.route) var(txn.route),concat(${beforeHost},txn.host) if { var(txn.path) -m found }`,
  ];
}

/** The same for a port that is its own. */
function portSection(port: PortPlan, { files }: ProxyOptions): string {
  const withTLS = `ssl crt-list ${certificateListPath(files, port.name)}${clientWords(port, files)}`;
  const tls = { http: '', https: `${withTLS} alpn h2,http/1.1`, tls: withTLS, passthrough: '' }[port.protocol];
  const ofRequests = port.protocol === 'http' || port.protocol === 'https';
  const lines = [
    ...(ofRequests ? [] : ['mode tcp', 'no option idle-close-on-response']),
    ...port.addresses.map((address) => `bind ${address}:${port.port} ${tls} ${clientPatience}`),
    ...(ofRequests
      ? [...requestLines, ...requestPortLines(port, files.routes), ...logLines]
      : streamPortLines(port, files.routes)),
    `use_backend %[var(txn.route),field(${field.backend},;)]`,
    `default_backend ${ofRequests ? 'unclaimed' : 'refused'}`,
  ];
  return `frontend ${port.name}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function clientWords({ clients }: PortPlan, files: ProxyFiles): string {
  if (!clients) return '';
  const verify = clients.insecure ? 'optional ca-ignore-err all crt-ignore-err all' : 'required';
  return ` ca-file ${certificatePath(files, clients.authority)} verify ${verify}`;
}

/** What every request has done to it. */
const requestLines = [
  // What may be repeated without harm is, on another server, where one ended without an answer.
  'http-request disable-l7-retry unless METH_GET',
  'http-request set-header X-Forwarded-For %[src]',
  'http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]',
  'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
];

/** The same where a route has a canary. */
function canaryLines(canaries: readonly CanaryRoute[]): string[] {
  if (canaries.length === 0) return [];
  const headers = new Set(canaries.flatMap(({ header }) => header?.toLowerCase() ?? []));
  const part = (of: number) => `var(txn.route),field(${of},;)`;
  return [
    `http-request set-var(txn.weight) ${part(field.weight)}`,
    'acl split var(txn.weight) -m len gt 0',
    ...[...headers].map(
      (header) =>
        `http-request set-var(txn.said) req.hdr(${header}) if split { ${part(field.header)} -m str ${header} }`,
    ),
    `http-request set-var(txn.wanted) ${part(field.value)} if split`,
    'acl asked var(txn.said),strcmp(txn.wanted) eq 0',
    'acl refused var(txn.said) -m str never',
    'acl chosen rand(100),sub(txn.weight) lt 0',
    'http-request set-var(txn.canary) bool(true) if split asked',
    'http-request set-var(txn.canary) bool(true) if split !asked !refused chosen',
  ];
}

/**
 * A line a request, which `access-log.ts` reads: words, of which only the last ones are the client's. It is written at
 * each request: addresses cost most, expressions in brackets come next, then each character.
 */
const logFormat = `${lineStart} %Ts.%ms %ci:%cp %sslv %ST %B %b %s %bp:%sp %rc %ts %TR/%Tc/%Tr/%Ta/%Tt %[var(txn.route)] %r`;

const logLines = ['log stdout len 8192 format raw local0', `log-format '${logFormat}'`];

function backendSection({ name, policy }: BackendPlan): string {
  return [
    `backend ${name}`,
    ...(policy.stream ? ['  mode tcp'] : []),
    ...policyLines(policy).map((line) => `  ${line}`),
  ].join('\n');
}

/**
 * A node that is gone is out in two seconds: a first try after 0.4 s at most, a second one a second later, since an agent
 * that is started again listens by then. Where there is only one node, nothing is won by giving it up: its kernel serves
 * on meanwhile.
 */
function nodeServers(nodes: readonly ProxyNode[]): Map<string, string> {
  const fall = nodes.length === 1 ? 1_000_000 : 2;
  return new Map(
    nodes.map(({ name, address }) => [
      name,
      `${address}:${healthPort} check inter 400ms fastinter 1s fall ${fall} rise 1`,
    ]),
  );
}

const protocolWords: Readonly<Record<BackendProtocol, readonly string[]>> = {
  http: [],
  tcp: [],
  https: ['ssl', 'verify', 'none'],
  h2c: ['proto', 'h2'],
  grpcs: ['ssl', 'verify', 'none', 'alpn', 'h2'],
};

function verifiedWords(
  protocol: BackendProtocol,
  { hostname, authority, certificate }: BackendTLS,
  files: ProxyFiles,
): string[] {
  const authorities = authority === undefined ? '@system-ca' : certificatePath(files, authority);
  const shown = certificate === undefined ? [] : ['crt', certificatePath(files, certificate)];
  const alpn = protocol === 'grpcs' ? ['alpn', 'h2'] : [];
  // A name that is asked for is the one that is verified.
  return ['ssl', 'verify', 'required', 'ca-file', authorities, 'sni', `str(${hostname})`, ...shown, ...alpn];
}

/** What a server that is added later needs said, so that kept connections to it are used again. */
const pooling = ['pool-max-conn', '-1', 'pool-purge-delay', '5s'];

function serverWords(
  { address, port, protocol, node, host }: ServerPlan,
  { proxyProtocol, tls }: BackendPolicy,
  files: ProxyFiles,
): string {
  return [
    `${address}:${port}`,
    ...(node === undefined ? [] : ['track', `${nodesBackend}/${node}`]),
    ...(host === undefined ? [] : ['track', `${hostsBackend}/${host}`]),
    ...(tls ? verifiedWords(protocol, tls, files) : protocolWords[protocol]),
    ...(proxyProtocol === undefined ? [] : [proxyProtocol === 'v1' ? 'send-proxy' : 'send-proxy-v2']),
    ...pooling,
  ].join(' ');
}
