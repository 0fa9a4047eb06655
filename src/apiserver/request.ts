import type { Kind } from '../api/kind.ts';
import { badRequest } from './errors.ts';

/** Who asks. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Whose address the connection came from; none where it came from this process. */
  readonly remoteAddress?: string;
  /** `undefined` where nobody could be authenticated. */
  readonly user: User | undefined;
  /** What the audit log tells of it besides, by key; left out where it is not told of. */
  readonly annotations?: Map<string, string>;
}

/** What a path asks for. */
export interface RequestInfo {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the method for other paths. */
  readonly verb: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly resource: ResourceTarget | undefined;
}

/** The part of a path that names objects. */
export interface ResourceTarget {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** `''` for all namespaces, or where the kind has none. */
  readonly namespace: string;
  /** `''` for a collection. */
  readonly name: string;
  /** `''`, or `status`, `scale`, `log` … */
  readonly subresource: string;
  /** What follows the subresource: the rest of a `proxy` path. */
  readonly rest: string;
}

/** A request for objects of a known kind. */
export interface KindRequest {
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  readonly target: ResourceTarget;
  readonly kind: Kind;
  readonly user: User;
  /** Shown to the client as `Warning` headers. */
  readonly warnings: string[];
}

/** Divides a path as Kubernetes does (apiserver's RequestInfo). */
export function parseRequest(method: string, rawPath: string): RequestInfo {
  const mark = rawPath.indexOf('?');
  const path = mark < 0 ? rawPath : rawPath.slice(0, mark);
  const query = mark < 0 ? noQuery : new URLSearchParams(rawPath.slice(mark + 1));
  const resource = parseTarget(path);
  if (!resource) return { verb: method.toLowerCase(), method, path, query, resource: undefined };
  const watches = query.get('watch') === 'true' || query.get('watch') === '1';
  return { verb: verbOf(method, resource, watches, query), method, path, query, resource };
}

/** The query of most requests. It is asked for a dozen names, and need not look for them. */
class NoQuery extends URLSearchParams {
  override get = (): null => null;
  override getAll = (): string[] => [];
  override has = (): boolean => false;
}

/** Nobody writes into a query. */
const noQuery = new NoQuery();

function parseTarget(path: string): ResourceTarget | undefined {
  const parts = partsOf(path);
  const group = parts[0] === 'api' ? '' : parts[0] === 'apis' ? parts[1] : undefined;
  const after = parts[0] === 'api' ? 1 : 2;
  const version = parts[after];
  const below = parts.slice(after + 1);
  if (group === undefined || version === undefined || below.length === 0) return undefined;
  // `/namespaces/x/pods` is about pods; `/namespaces/x`, `/namespaces/x/status` and `/finalize` are about x.
  const inNamespace = below[0] === 'namespaces' && below.length > 2 && !namespaceSubresources.has(below[2] ?? '');
  const [plural = '', name = '', subresource = '', ...rest] = inNamespace ? below.slice(2) : below;
  return {
    group,
    version,
    plural,
    namespace: inNamespace ? (below[1] ?? '') : '',
    name,
    subresource,
    rest: rest.join('/'),
  };
}

const namespaceSubresources = new Set(['status', 'finalize']);

function partsOf(path: string): string[] {
  const parts = path.slice(1, path.endsWith('/') ? -1 : undefined).split('/');
  return path.includes('%') ? parts.map(decode) : parts;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`the path holds a wrong escape: ${part}`);
  }
}

function verbOf(method: string, target: ResourceTarget, watches: boolean, query: URLSearchParams): string {
  const collection = target.name === '';
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (watches && (collection || query.has('watch'))) return 'watch';
      return collection ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return collection ? 'deletecollection' : 'delete';
    default:
      return method.toLowerCase();
  }
}

/** `?dryRun=All`; anything else is refused, as by Kubernetes. */
export function dryRunOf(values: readonly string[]): boolean {
  if (values.some((value) => value !== 'All')) {
    throw badRequest(`dryRun: Unsupported value: "${values.join(',')}": supported values: "All"`);
  }
  return values.length > 0;
}
