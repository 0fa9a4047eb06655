import type {
  BackendPolicy,
  CrossOrigin,
  Elsewhere,
  HeaderChange,
  PortPlan,
  RequestCondition,
  RouteMatch,
} from '../ingress/plan.ts';
import type {
  BackendReference,
  GRPCRoute,
  HeaderModifier,
  HTTPRoute,
  HTTPRouteMatch,
  PathModifier,
  RouteFilter,
  TLSRoute,
  ValueMatch,
} from './objects.ts';

/** A rule of a route of any kind: requests that match one of `matches` go to `backendRefs`. */
export interface Rule {
  readonly matches: readonly Match[];
  readonly actions: Actions;
  readonly backendRefs: readonly RuleBackend[];
  readonly timeoutMs?: number;
}

export interface RuleBackend {
  readonly ref: BackendReference;
  readonly actions: Actions;
}

/** Which requests, but for their host. */
export interface Match {
  readonly match: RouteMatch['match'] | 'regex';
  readonly path: string;
  /** Of two paths that a request has the one with more is asked first; exact ones before that. */
  readonly specificity: number;
  readonly when: readonly RequestCondition[];
}

/** What filters do. */
export interface Actions {
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  readonly host?: string;
  readonly path?: PathModifier;
  readonly cors?: CrossOrigin;
  readonly redirect?: {
    readonly scheme?: string;
    readonly host?: string;
    readonly port?: number;
    readonly code: number;
  };
}

export const noActions: Actions = { requestHeaders: [], responseHeaders: [] };

/** A value that the specification knows and that is not served here. */
export class Unsupported extends Error {}

/** @throws {Unsupported} */
export function httpRules({ spec }: HTTPRoute): Rule[] {
  assertPrintable(spec.rules);
  return (spec.rules ?? []).map(({ matches, filters, backendRefs = [], timeouts = {} }) => ({
    matches: (matches?.length ? matches : [{}]).flatMap(httpMatch),
    actions: actionsOf(filters),
    backendRefs: backendRefs.map((ref) => ({ ref, actions: actionsOf(ref.filters) })),
    timeoutMs: shortest([timeouts.request, timeouts.backendRequest]),
  }));
}

/** @throws {Unsupported} */
export function grpcRules({ spec }: GRPCRoute): Rule[] {
  assertPrintable(spec.rules);
  return (spec.rules ?? []).map(({ matches, filters, backendRefs = [] }) => ({
    matches: (matches?.length ? matches : [{}]).map(({ method, headers = [] }) => ({
      ...grpcPath(method),
      when: headers.map((each) => valueCondition('header', each)),
    })),
    actions: actionsOf(filters),
    backendRefs: backendRefs.map((ref) => ({ ref, actions: actionsOf(ref.filters) })),
  }));
}

export function tlsRules({ spec }: TLSRoute): Rule[] {
  return (spec.rules ?? []).map(({ backendRefs = [] }) => ({
    matches: [{ match: 'prefix', path: '/', specificity: 0, when: [] }],
    actions: noActions,
    backendRefs: backendRefs.map((ref) => ({ ref, actions: noActions })),
  }));
}

/**
 * A newline in the value of a header would begin another one.
 *
 * @throws {Unsupported}
 */
function assertPrintable(value: unknown): void {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(assertPrintable);
  else if (typeof value === 'string' && /\p{Cc}/u.test(value)) {
    throw new Unsupported(`${JSON.stringify(value)} has control characters`);
  }
}

/** None where no request has such a path. */
function httpMatch({ path = {}, headers = [], queryParams = [], method }: HTTPRouteMatch): Match[] {
  const { type = 'PathPrefix', value = '/' } = path;
  const when: RequestCondition[] = [
    ...(method === undefined ? [] : [{ on: 'method' as const, value: method }]),
    ...firstOfEach(headers).map((each) => valueCondition('header', each)),
    ...firstOfEach(queryParams).map((each) => valueCondition('query', each)),
  ];
  const matching = (match: Match['match'], path: string): Match => ({ match, path, specificity: path.length, when });
  if (type === 'RegularExpression') return [matching('regex', regex(value))];
  if (/[^!-~]/.test(value)) return [];
  return [type === 'Exact' ? matching('exact', value) : matching('prefix', value.replace(/\/+$/, '') || '/')];
}

/** Of several with one name the first one counts. */
function firstOfEach(matches: readonly ValueMatch[]): ValueMatch[] {
  return [...Map.groupBy(matches, ({ name }) => name.toLowerCase()).values()].flatMap(([first]) => first ?? []);
}

function valueCondition(on: 'header' | 'query', { type = 'Exact', name, value }: ValueMatch): RequestCondition {
  return type === 'RegularExpression' ? { on, name, regex: regex(value) } : { on, name, value };
}

/** Names of services and methods are at most so long. */
const longestName = 1024;

/** A call's path is `/package.Service/Method` (gRPC over HTTP/2, "Requests"). */
function grpcPath(method: { type?: string; service?: string; method?: string } = {}): Omit<Match, 'when'> {
  const { type = 'Exact', service, method: name } = method;
  // First by the service, then by the method.
  const specificity = (service?.length ?? 0) * longestName + (name?.length ?? 0);
  if (type === 'RegularExpression') {
    return { match: 'regex', path: regex(`/${service ?? '[^/]+'}/${name ?? '[^/]+'}`), specificity };
  }
  if (service && name) return { match: 'exact', path: `/${service}/${name}`, specificity };
  if (service) return { match: 'prefix', path: `/${service}`, specificity };
  if (name) return { match: 'regex', path: regex(`/[^/]+/${escaped(name)}`), specificity };
  return { match: 'prefix', path: '/', specificity };
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/**
 * The expression, if it is one that JavaScript and PCRE read alike: what HAProxy could not read would stop all routes.
 *
 * @throws {Unsupported}
 */
function regex(text: string): string {
  const reads = () => new RegExp(text, 'u');
  const foreign = /\(\?(?!:)|\\(?![dDwWsSb.*+?^${}()|[\]\\/])|\{\d{4,}|\{\d+,\d{4,}|[^ -~]/.test(text);
  try {
    reads();
  } catch {
    throw new Unsupported(`the regular expression ${JSON.stringify(text)} cannot be read`);
  }
  if (foreign) throw new Unsupported(`the regular expression ${JSON.stringify(text)} has more than RE2 and PCRE share`);
  return text;
}

const filterTypes = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite', 'CORS'];
const redirectCodes = [301, 302, 303, 307, 308];

/** @throws {Unsupported} */
function actionsOf(filters: readonly RouteFilter[] = []): Actions {
  const modifiers = (kind: 'requestHeaderModifier' | 'responseHeaderModifier') =>
    filters.flatMap((filter) => headerChanges(filter[kind]));
  for (const { type } of filters) {
    if (!filterTypes.includes(type)) {
      throw new Unsupported(`the filter ${type} is not served`);
    }
  }
  const rewrite = filters.find(({ type }) => type === 'URLRewrite')?.urlRewrite;
  const redirect = filters.find(({ type }) => type === 'RequestRedirect')?.requestRedirect;
  const code = redirect?.statusCode ?? 302;
  if (!redirectCodes.includes(code)) throw new Unsupported(`redirects with ${code} are not served`);
  return {
    requestHeaders: modifiers('requestHeaderModifier'),
    responseHeaders: modifiers('responseHeaderModifier'),
    host: rewrite?.hostname,
    path: (redirect ?? rewrite)?.path,
    cors: crossOrigin(filters.find(({ type }) => type === 'CORS')?.cors),
    redirect: redirect && { scheme: redirect.scheme, host: redirect.hostname, port: redirect.port, code },
  };
}

function crossOrigin(cors: RouteFilter['cors']): CrossOrigin | undefined {
  return (
    cors && {
      origins: (cors.allowOrigins ?? []).map(withoutUsualPort),
      credentials: cors.allowCredentials ?? false,
      methods: cors.allowMethods ?? [],
      headers: cors.allowHeaders ?? [],
      exposed: cors.exposeHeaders ?? [],
      maxAge: cors.maxAge ?? 5,
    }
  );
}

/** Browsers leave out a scheme's own port. */
function withoutUsualPort(origin: string): string {
  return origin.replace(/^(http:.*):80$|^(https:.*):443$/, '$1$2');
}

function headerChanges({ set = [], add = [], remove = [] }: HeaderModifier = {}): HeaderChange[] {
  return [
    ...set.map(({ name, value }) => ({ change: 'set' as const, name, value })),
    ...add.map(({ name, value }) => ({ change: 'add' as const, name, value })),
    ...remove.map((name) => ({ change: 'remove' as const, name })),
  ];
}

/** Longest time that the proxy can count: it does so in 31 bits. */
const endless = 2 ** 31 - 1;

/** Of durations such as `1h30m` or `500ms` (GEP-2257), in ms. */
function shortest(durations: readonly (string | undefined)[]): number | undefined {
  const given = durations.filter((each) => each !== undefined);
  const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  const times = given.map((text) =>
    [...text.matchAll(/(\d+)(h|ms|m|s)/g)].reduce(
      (sum, [, count, unit]) => sum + Number(count) * units[unit as 'h'],
      0,
    ),
  );
  // Zero is: no limit.
  return times.length === 0 ? undefined : Math.min(...times.map((ms) => (ms === 0 ? endless : Math.min(ms, endless))));
}

/** The port that requests come by. */
export type Entrance = Pick<PortPlan, 'port' | 'protocol'>;

/** What is done to the requests of one match on their way to one backend, whose own actions come after the rule's. */
export function policyOf(
  { actions, timeoutMs }: Rule,
  { path }: Match,
  own: Actions,
  entrance: Entrance,
): BackendPolicy {
  const requestHeaders = [...actions.requestHeaders, ...own.requestHeaders];
  const responseHeaders = [...actions.responseHeaders, ...own.responseHeaders];
  const redirect = actions.redirect && elsewhere(actions.redirect, entrance);
  const rewrite = rewriteOf(own.path ?? actions.path, path);
  const host = own.host ?? actions.host;
  const cors = own.cors ?? actions.cors;
  const stream = entrance.protocol === 'tls' || entrance.protocol === 'passthrough';
  return {
    ...(stream ? { stream } : {}),
    ...(requestHeaders.length > 0 ? { requestHeaders } : {}),
    ...(responseHeaders.length > 0 ? { responseHeaders } : {}),
    ...(cors ? { cors } : {}),
    ...(host === undefined ? {} : { host }),
    ...(rewrite ? { rewrite } : {}),
    ...(redirect ? { redirect } : {}),
    ...(timeoutMs === undefined ? {} : { responseTimeoutMs: timeoutMs }),
  };
}

function rewriteOf(modifier: PathModifier | undefined, prefix: string): BackendPolicy['rewrite'] {
  if (!modifier) return undefined;
  return modifier.type === 'ReplaceFullPath'
    ? { path: modifier.replaceFullPath || '/' }
    : { prefix, to: modifier.replacePrefixMatch ?? '' };
}

const usualPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** A scheme that is named has its own port, else it is the listener's (HTTPRequestRedirectFilter, `port`). */
function elsewhere({ scheme, host, port, code }: NonNullable<Actions['redirect']>, entrance: Entrance): Elsewhere {
  const target = scheme ?? entrance.protocol;
  const number = port ?? (scheme === undefined ? entrance.port : usualPorts[scheme]);
  return {
    scheme: target,
    ...(host === undefined ? {} : { host }),
    ...(number === usualPorts[target] ? {} : { port: number }),
    code,
  };
}
