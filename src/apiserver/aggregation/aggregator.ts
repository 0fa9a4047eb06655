import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { apiServices, endpointSlices, services } from '../../api/resource.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { APIService } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { type Answer, bytesAnswer, type Sink } from '../answer.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import type { KindTable } from '../kinds.ts';
import { updateObject } from '../registry/write.ts';
import type { ApiRequest, RequestInfo, User } from '../request.ts';
import { endpointOfService, Unreachable } from '../service-endpoints.ts';
import type { Destination } from '../streaming/locate.ts';
import { proxyStream, type StreamAnswer } from '../streaming/stream.ts';

/** Who this server is to aggregated API servers: its client certificate, and the CA that they know it by. PEM. */
export interface FrontProxy {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** A group with versions that other servers answer, as discovery shows it. */
export interface RemoteGroup {
  readonly name: string;
  readonly versions: readonly RemoteVersion[];
}

export interface RemoteVersion {
  readonly version: string;
  /** Whether the server answered when it was asked last. */
  readonly isFresh: boolean;
  /** meta.k8s.io/v1 APIResource, as the server told. */
  readonly resources: readonly RemoteResource[];
}

export interface RemoteResource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

interface Remote {
  readonly service: APIService;
  resources: readonly RemoteResource[];
  available: boolean;
}

/** How often a server that answered is asked again. */
const CHECK_MS = 30_000;
const CHECK_TIMEOUT_MS = 5_000;
const user: User = { name: 'system:kube-aggregator', groups: ['system:masters'] };

/** API groups that other servers answer (apiregistration.k8s.io APIServices with a Service). */
export class Aggregator {
  readonly #cache: WatchCache;
  readonly #log: Log;
  readonly #frontProxy: FrontProxy | undefined;
  /** By group and version. */
  readonly #remotes = new Map<string, Remote>();
  readonly #unsubscribe: (() => void)[] = [];
  #checking: NodeJS.Timeout | undefined;

  constructor(cache: WatchCache, log: Log, frontProxy: FrontProxy | undefined) {
    this.#cache = cache;
    this.#log = log;
    this.#frontProxy = frontProxy;
  }

  start(context: Context): void {
    if (!this.#frontProxy) return;
    const registered = this.#cache.resource(apiServices);
    for (const object of registered.list()) this.#take(context, object.parse<APIService>());
    this.#unsubscribe.push(
      registered.subscribe(({ type, object }) => {
        const service = object.parse<APIService>();
        if (type === 'DELETED') this.#forget(context, service);
        else this.#take(context, service);
      }),
    );
    for (const resource of [services, endpointSlices]) {
      this.#unsubscribe.push(
        this.#cache.resource(resource).subscribe(() => this.#remotes.size > 0 && this.#checkAll(context)),
      );
    }
  }

  stop(): void {
    clearInterval(this.#checking);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#remotes.clear();
  }

  /** What discovery tells besides the kinds of this server, which go first; in the order that APIServices want. */
  groups(kinds: KindTable): RemoteGroup[] {
    const groups = new Map<string, { readonly versions: RemoteVersion[]; priority: number }>();
    const byPriority = [...this.#remotes.values()].sort(
      (a, b) => (b.service.spec?.versionPriority ?? 0) - (a.service.spec?.versionPriority ?? 0),
    );
    for (const { service, resources, available } of byPriority) {
      const { group = '', version = '', groupPriorityMinimum = 0 } = service.spec ?? {};
      if (kinds.inGroupVersion(group, version).length > 0) continue;
      const known = groups.get(group) ?? { versions: [], priority: 0 };
      known.versions.push({ version, isFresh: available, resources });
      known.priority = Math.max(known.priority, groupPriorityMinimum);
      groups.set(group, known);
    }
    return [...groups]
      .sort(([a, one], [b, other]) => other.priority - one.priority || (a < b ? -1 : 1))
      .map(([name, { versions }]) => ({ name, versions }));
  }

  /** The answer of the server whose group and version a path names; `undefined` where this one answers itself. */
  answer(context: Context, request: ApiRequest, info: RequestInfo): Promise<Answer> | undefined {
    const remote = this.#remoteOf(context, info);
    return remote && request.user ? this.#passOn(remote, request, request.user, info) : undefined;
  }

  /** Where an upgrade of the connection goes on to, in the same way. */
  destination(context: Context, path: string, as: User, info: RequestInfo): Destination | undefined {
    const remote = this.#remoteOf(context, info);
    if (!remote) return undefined;
    if (!remote.available) throw unavailable();
    return { ...this.#way(remote.service, path), headers: identity(as) };
  }

  #remoteOf(context: Context, info: RequestInfo): Remote | undefined {
    // Nearly always nobody else is there: that costs a request nothing.
    if (this.#remotes.size === 0) return undefined;
    const [, group = '', version = ''] = /^(?:\/openapi\/v3)?\/apis\/([^/]+)\/([^/]+)/.exec(info.path) ?? [];
    return context.kinds.inGroupVersion(group, version).length > 0
      ? undefined
      : this.#remotes.get(`${group}/${version}`);
  }

  async #passOn(remote: Remote, request: ApiRequest, as: User, info: RequestInfo): Promise<Answer> {
    if (!remote.available) throw unavailable();
    const gone = new AbortController();
    request.signal?.addEventListener('abort', () => gone.abort(), { once: true });
    const answer = await this.#send(remote.service, request, as, gone.signal);
    const type = answer.headers['content-type'] ?? 'application/json';
    if (info.verb !== 'watch') return bytesAnswer([await buffer(answer.body)], answer.status, { 'content-type': type });
    return { status: answer.status, headers: { 'content-type': type }, body: (sink) => pour(answer.body, sink, gone) };
  }

  #take(context: Context, service: APIService): void {
    const { group, version, service: behind } = service.spec ?? {};
    const key = `${group}/${version}`;
    if (!behind) return void this.#remotes.delete(key);
    const before = this.#remotes.get(key);
    const isSame = JSON.stringify(before?.service.spec) === JSON.stringify(service.spec);
    // Until it is asked anew, a server is as it was.
    this.#remotes.set(key, { service, resources: before?.resources ?? [], available: before?.available === true });
    if (!isSame) void this.#check(context, key);
    this.#checking ??= setInterval(() => this.#checkAll(context), CHECK_MS).unref();
  }

  #forget(context: Context, { spec }: APIService): void {
    this.#remotes.delete(`${spec?.group}/${spec?.version}`);
    context.kinds.replace([], []);
    if (this.#remotes.size > 0) return;
    clearInterval(this.#checking);
    this.#checking = undefined;
  }

  #checkAll(context: Context): void {
    for (const key of this.#remotes.keys()) void this.#check(context, key);
  }

  /** Asks a server what it has, and says in its APIService whether it answers. */
  async #check(context: Context, key: string): Promise<void> {
    const remote = this.#remotes.get(key);
    if (!remote) return;
    const condition = await this.#probe(remote);
    if (this.#remotes.get(key) !== remote) return;
    const available = condition.status === 'True';
    if (available !== remote.available) {
      remote.available = available;
      // Documents that tell of all groups are made anew.
      context.kinds.replace([], []);
    }
    await this.#report(context, remote.service, condition).catch((error: unknown) =>
      this.#log.warn('an APIService cannot be reported', { name: key, error }),
    );
  }

  async #probe(remote: Remote): Promise<{ status: string; reason: string; message: string }> {
    const path = `/apis/${remote.service.spec?.group}/${remote.service.spec?.version}`;
    try {
      const request: ApiRequest = { method: 'GET', path, headers: { accept: 'application/json' }, user };
      const answer = await this.#send(remote.service, request, user, AbortSignal.timeout(CHECK_TIMEOUT_MS));
      const text = (await buffer(answer.body)).toString('utf8');
      if (answer.status !== 200) throw new Error(`bad status from ${path}: ${answer.status}`);
      const list = JSON.parse(text) as { resources?: readonly RemoteResource[] };
      remote.resources = list.resources ?? [];
      return { status: 'True', reason: 'Passed', message: 'all checks passed' };
    } catch (error) {
      const reason = error instanceof Unreachable ? error.reason : 'FailedDiscoveryCheck';
      return { status: 'False', reason, message: messageOf(error) };
    }
  }

  async #report(
    context: Context,
    { metadata }: APIService,
    condition: { readonly status: string; readonly reason: string; readonly message: string },
  ): Promise<void> {
    const kind = context.kinds.find(apiServices);
    const name = metadata?.name ?? '';
    if (!kind || !name) return;
    const target = { kind, namespace: '', name, subresource: 'status', user, dryRun: false };
    const change = (current: APIService): APIService => {
      const { conditions = [] } = current.status ?? {};
      const present = conditions.find(({ type }) => type === 'Available');
      const others = conditions.filter(({ type }) => type !== 'Available');
      const isSame = present?.status === condition.status;
      const lastTransitionTime = isSame ? present?.lastTransitionTime : formatTime(new Date());
      const own = { lastTransitionTime, ...condition, type: 'Available' };
      return { ...current, status: { conditions: [own, ...others] } };
    };
    await updateObject(context, target, change, { retry: true }).catch((error: unknown) => {
      if (!(error instanceof StatusError) || error.code !== 404) throw error;
    });
  }

  /** Sends a request on in its user's name (request-header authentication). */
  #send(service: APIService, request: ApiRequest, as: User, signal: AbortSignal): Promise<StreamAnswer> {
    const body = request.body === undefined ? undefined : Readable.from([Buffer.from(request.body)]);
    return proxyStream({
      ...this.#way(service, request.path),
      method: request.method,
      headers: [...forwarded(request), ...identity(as)],
      body,
      signal,
    });
  }

  #way({ spec }: APIService, path: string): Destination {
    const { namespace = '', name = '', port = 443 } = spec?.service ?? {};
    const endpoint = endpointOfService(this.#cache, { namespace, name, port });
    const { cert = '', key = '' } = this.#frontProxy ?? {};
    const ca = spec?.caBundle ? Buffer.from(spec.caBundle, 'base64').toString('utf8') : undefined;
    return {
      target: { scheme: 'https', ...endpoint, path, servername: `${name}.${namespace}.svc` },
      tls: { cert, key, ca, rejectUnauthorized: spec?.insecureSkipTLSVerify !== true },
    };
  }
}

const unavailable = () => new StatusError(503, 'ServiceUnavailable', 'service unavailable');

/** What of a request's headers is for who answers it. */
function forwarded({ headers, body }: ApiRequest): string[] {
  const kept = Object.entries(headers).filter(([name]) =>
    ['accept', 'content-type', 'user-agent', 'if-none-match'].includes(name),
  );
  const length = body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))];
  return [...kept.flat(), ...length];
}

function identity({ name, uid, groups, extra }: User): string[] {
  const more = Object.entries(extra ?? {}).flatMap(([key, values]) =>
    values.flatMap((value) => [`X-Remote-Extra-${encodeURIComponent(key)}`, value]),
  );
  const own = ['X-Remote-User', name, ...groups.flatMap((group) => ['X-Remote-Group', group])];
  return [...own, ...(uid ? ['X-Remote-Uid', uid] : []), ...more];
}

/** Writes a stream into a sink; the returned function ends both. */
function pour(body: Readable, sink: Sink, gone: AbortController): () => void {
  body.on('data', (chunk: Buffer) => sink.write(chunk));
  body.once('end', () => sink.end());
  body.once('error', () => sink.end());
  return () => gone.abort();
}
