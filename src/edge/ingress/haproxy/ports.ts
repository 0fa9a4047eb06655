import { shortHash } from '../backends.ts';
import type { Choice, HostPlan, PathPlan, PortPlan, RequestCondition } from '../plan.ts';
import { argument, quoted } from './quoting.ts';
import { beforeHost, endOfRequest, field, formatValue, nowhere, type RouteValue, routeMapKey } from './routes.ts';
import type { Aliases } from './spares.ts';

/**
 * A port in the map of routes: its hosts stand behind its name and {@link mark}, which no Host header has, so that no
 * request of another port finds them.
 */
const mark = '\x01';
/** The same in a configuration. */
const markText = '\\x01';

/** A value that begins so is no route: it names the choices that the port's rules make. */
const undecided = '?';

/** Weights become shares of so many draws. */
const draws = 1_000_000;

export function portRoutes(ports: Iterable<PortPlan>, aliases?: Aliases): Map<string, string> {
  const map = new Map<string, string>();
  for (const { name, hosts } of ports) {
    for (const host of hosts) {
      for (const path of host.paths) {
        const key = routeMapKey({ host: host.host, match: path.match, path: path.path });
        map.set(`${mark}${name}/${key}`, mapValue(host, path, aliases));
      }
    }
  }
  return map;
}

function mapValue({ host }: HostPlan, { choices }: PathPlan, aliases?: Aliases): string {
  const [first] = choices;
  if (first === undefined) return formatValue({ backend: nowhere, source: '', host });
  return first.when.length === 0 ? formatValue(routeOf(first, host), aliases) : undecided + idOf(choices);
}

function routeOf({ source, backends }: Choice, host = ''): RouteValue {
  const backend = backends[0]?.backend ?? nowhere;
  return { backend, source, host, split: backends.length > 1 ? splitOf(backends) : undefined };
}

/** Each backend with the draw below which it has a request. */
function splitOf(backends: Choice['backends']): RouteValue['split'] {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  return backends.map(({ backend, weight }) => {
    sum += weight;
    return { below: Math.round((sum / total) * draws), backend };
  });
}

/** Of what is configured: a rule that only moves within its route needs no reload. */
function idOf(choices: readonly Choice[]): string {
  return shortHash(JSON.stringify(choices.map(({ when, backends, source }) => ({ when, backends, source }))));
}

/** The rules of a port for HTTP. */
export function requestPortLines(port: PortPlan, file: string): string[] {
  return [
    'http-request set-var(txn.host) req.hdr(host),host_only,lower',
    // A host that goes on as a path would be found as another one.
    'http-request return status 400 if { var(txn.host) -m sub / }',
    'http-request set-var(txn.path) path',
    ...(port.protocol === 'https' ? misdirectedLines(port.listeners) : []),
    ...lookUps(port, file, 'http-request'),
    ...choiceLines(port.hosts),
    // The log tells the host that was asked for.
    'http-request set-var(txn.host) var(txn.host),url_enc',
    `http-request set-var(txn.route) var(txn.route),concat(${beforeHost},txn.host)`,
    ...splitLines(port.hosts, 'http-request'),
  ];
}

/** The rules of a port for streams in TLS, whose server name is their host. All of them have the same path. */
export function streamPortLines(port: PortPlan, file: string): string[] {
  const rule = 'tcp-request content';
  const host =
    port.protocol === 'passthrough'
      ? ['tcp-request inspect-delay 5s', `${rule} set-var(txn.host) req.ssl_sni,lower if { req.ssl_hello_type 1 }`]
      : [`${rule} set-var(txn.host) ssl_fc_sni,lower`];
  return [...host, `${rule} set-var(txn.path) str(/)`, ...lookUps(port, file, rule), ...splitLines(port.hosts, rule)];
}

/** Rules of the two kinds are written alike. */
type Rule = 'http-request' | 'tcp-request content';

/**
 * The host is looked up as it is, then by its wildcards, the longest first, then without a host. Each host has a route
 * for all paths, so that the first one that is there decides.
 */
function lookUps({ name, hosts }: PortPlan, file: string, rule: Rule): string[] {
  const ofPort = `str(${markText}${name}/)`;
  const find = (key: string, condition: string) =>
    `${rule} set-var(txn.route) ${key},concat(,txn.path,${endOfRequest}),map_beg(${file}) ${condition}`;
  return [
    'acl routed var(txn.route) -m found',
    find(`${ofPort},concat(,txn.host)`, ''),
    ...hosts
      .filter(({ host }) => host.startsWith('*.'))
      .map(({ host }) => find(`str(${markText}${name}/${host})`, `if !routed ${means(host, 'var(txn.host)')}`)),
    ...(hosts.some(({ host }) => host === '') ? [find(ofPort, 'if !routed')] : []),
    `${rule} set-var(txn.route) str(${nowhere}) unless routed`,
  ];
}

/** A condition: the name is one that `host` means. */
function means(host: string, fetch: string): string {
  if (host === '') return '';
  return host.startsWith('*.') ? `{ ${fetch} -m end ${host.slice(1)} }` : `{ ${fetch} -m str ${host} }`;
}

/** A request for a listener other than the one that its connection is for: 421, and the client connects anew (RFC 9110 §15.5.20). */
function misdirectedLines(listeners: readonly string[]): string[] {
  if (listeners.length < 2) return [];
  const find = (variable: string, fetch: string) =>
    listeners.map((host, index) => {
      const conditions = [`!{ var(${variable}) -m found }`, means(host, fetch)].filter(Boolean).join(' ');
      return `http-request set-var(${variable}) int(${index}) if ${conditions}`;
    });
  return [
    ...find('txn.listener', 'var(txn.host)'),
    ...find('txn.shown', 'ssl_fc_sni,lower'),
    'http-request return status 421 if { ssl_fc_has_sni } !{ var(txn.listener),sub(txn.shown) eq 0 }',
  ];
}

/** What the map leaves open is decided by conditions, in their order; a value that is decided is none of the choices. */
function choiceLines(hosts: readonly HostPlan[]): string[] {
  const open = hosts.flatMap(({ paths }) => paths.filter(({ choices }) => choices[0] && choices[0].when.length > 0));
  const byId = new Map(open.map(({ choices }) => [idOf(choices), choices]));
  return [...byId].flatMap(([id, choices]) => {
    const asked = `{ var(txn.route) -m str ${undecided}${id} }`;
    const decide = (value: string, conditions: readonly string[]) =>
      `http-request set-var(txn.route) ${quoted(`str(${argument(value)})`)} if ${[asked, ...conditions].join(' ')}`;
    return [
      ...choices.map((choice) => decide(formatValue(routeOf(choice)), choice.when.map(conditionText))),
      decide(formatValue({ backend: nowhere, source: '' }), []),
    ];
  });
}

function conditionText(condition: RequestCondition): string {
  const fetch = {
    method: () => 'method',
    path: () => 'path',
    // Of the whole header: it may have commas.
    header: (name: string) => `req.fhdr(${argument(name)})`,
    query: (name: string) => `url_param(${argument(name)}),url_dec`,
  }[condition.on]('name' in condition ? condition.name : '');
  const match = 'regex' in condition ? ['reg', `^(?:${condition.regex})$`] : ['str', condition.value];
  return `{ ${quoted(fetch)} -m ${match[0]} -- ${quoted(match[1] ?? '')} }`;
}

/** Draws one of a route's backends. There are as many steps as the largest split has. */
function splitLines(hosts: readonly HostPlan[], rule: Rule): string[] {
  const sizes = hosts.flatMap(({ paths }) =>
    paths.flatMap(({ choices }) => choices.map(({ backends }) => backends.length)),
  );
  const largest = Math.max(0, ...sizes);
  if (largest < 2) return [];
  return [
    `${rule} set-var(txn.split) var(txn.route),field(1,${beforeHost}),field(${field.split},;)`,
    'acl split var(txn.split) -m len gt 0',
    'acl drawn var(txn.backend) -m found',
    'acl below var(txn.draw),sub(txn.below) lt 0',
    `${rule} set-var(txn.draw) rand(${draws}) if split`,
    ...Array.from({ length: largest }, (_, index) => [
      `${rule} set-var(txn.below) var(txn.split),field(${2 * index + 1},:) if split !drawn`,
      `${rule} set-var(txn.backend) var(txn.split),field(${2 * index + 2},:) if split !drawn below`,
    ]).flat(),
    'use_backend %[var(txn.backend)] if drawn',
  ];
}
