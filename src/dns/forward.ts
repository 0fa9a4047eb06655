import { randomInt } from 'node:crypto';
import { KnitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { AnswerCache, type CachedAnswer, readAnswer } from './cache.ts';
import { Rcode, Type } from './message.ts';
import { knownNameKey, type NameKey, parentKey } from './names.ts';
import { type Upstream, upstreamText } from './resolvconf.ts';
import { buildQuery } from './response.ts';
import { type Pending, UpstreamServer } from './upstream.ts';

/** Time one upstream has for one try, and all tries together have, in ms. Resolvers ask again after 5 s. */
const defaultTimeoutMs = 2000;
const deadlineMs = 5000;
const tries = 3;
/** More questions under way than this are refused, as CoreDNS' `max_concurrent 1000` does. */
const maxPending = 1000;

/** Who is asked for which names. */
export interface Routes {
  readonly upstreams: readonly Upstream[];
  /** Domains with upstreams of their own. */
  readonly stubs: ReadonlyMap<NameKey, readonly Upstream[]>;
}

export interface ForwarderOptions {
  /** Called for every question; returns the same object until something changes. */
  routes(): Routes;
  readonly log: Log;
  readonly timeoutMs?: number;
  readonly cache?: AnswerCache;
}

/**
 * Asks upstreams for what is not ours: those of the longest stub domain that holds the name, in their order, the ones
 * that are down last, until one answers; with a cache before them.
 */
export class Forwarder {
  /** A name nobody else asks for: if it comes in as a question, an upstream leads back to us. */
  readonly loopName: NameKey = knownNameKey(`${randomInt(2 ** 47)}.${randomInt(2 ** 47)}`);
  readonly cache: AnswerCache;
  /** Times when all upstreams were down, and questions that were refused, for metrics. */
  readonly stats = { allDown: 0, refused: 0 };
  readonly #options: ForwarderOptions;
  readonly #timeoutMs: number;
  readonly #log: Log;
  readonly #underway = new Map<string, Promise<CachedAnswer>>();
  readonly #pending: Pending = new Set();
  readonly #servers = new Map<string, UpstreamServer>();
  #routes: Routes | undefined;
  #looping = false;
  #silent = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.cache = options.cache ?? new AnswerCache();
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#log = options.log;
  }

  get servers(): Iterable<UpstreamServer> {
    return this.#servers.values();
  }

  /** Asks the loop's question once. A healthy upstream answers that there is no such name. */
  async checkLoop(): Promise<void> {
    if (this.#follow().upstreams.length === 0) return;
    // What goes wrong here is told by `resolve`.
    await this.resolve(this.loopName, Type.HINFO, false).catch(() => undefined);
  }

  /** To be called when {@link loopName} was asked of us. Nothing is forwarded until there are other upstreams. */
  loopFound(): void {
    if (this.#looping) return;
    this.#looping = true;
    const upstreams = this.#routes?.upstreams.map(upstreamText).join();
    this.#log.error('an upstream sends our questions back to us; not forwarding any more', { upstreams });
  }

  /** What is known without asking. */
  cached(name: NameKey, type: number, dnssec: boolean): CachedAnswer | undefined {
    this.#follow();
    return this.cache.get(cacheKey(name, type, dnssec));
  }

  /**
   * The answer to a question of class IN that is not in the cache. Those who ask the same at the same time share one
   * question. Throws {@link KnitError} `NO_UPSTREAM` where none answered, `TOO_MANY` where too many are waiting.
   */
  async resolve(name: NameKey, type: number, dnssec: boolean): Promise<CachedAnswer> {
    const key = cacheKey(name, type, dnssec);
    const underway = this.#underway.get(key);
    if (underway) return await underway;
    if (this.#underway.size >= maxPending) {
      this.stats.refused++;
      throw new KnitError('TOO_MANY', `${maxPending} questions are under way`);
    }
    const routes = this.#follow();
    if (this.#looping) throw new KnitError('NO_UPSTREAM', 'the upstreams lead back to this server');
    const asked = this.#ask(routes, name, type, dnssec).then((answer) => {
      // Meanwhile somebody else may be responsible for the name.
      if (routes === this.#routes) this.cache.set(key, answer);
      return answer;
    });
    this.#underway.set(key, asked);
    try {
      return await asked;
    } finally {
      this.#underway.delete(key);
    }
  }

  /** Ends what is under way; those who wait are told that nobody answered. */
  close(): void {
    for (const end of [...this.#pending]) end('closed');
  }

  /** Takes over new routes. An upstream that stays keeps what is known of its health. */
  #follow(): Routes {
    const routes = this.#options.routes();
    if (routes === this.#routes) return routes;
    const wanted = [...routes.upstreams, ...[...routes.stubs.values()].flat()];
    const names = new Set(wanted.map(upstreamText));
    for (const name of this.#servers.keys()) if (!names.has(name)) this.#servers.delete(name);
    for (const upstream of wanted) {
      const name = upstreamText(upstream);
      if (!this.#servers.has(name)) this.#servers.set(name, new UpstreamServer(upstream, this.#pending));
    }
    const isFirst = this.#routes === undefined;
    this.#routes = routes;
    this.#looping = false;
    if (!isFirst) {
      this.cache.clear();
      void this.checkLoop();
    }
    return routes;
  }

  async #ask(routes: Routes, name: NameKey, type: number, dnssec: boolean): Promise<CachedAnswer> {
    const servers = this.#inOrder(routes, name);
    const deadline = performance.now() + deadlineMs;
    let failure: unknown = new KnitError('NO_UPSTREAM', 'no upstream is configured');
    let refused: CachedAnswer | undefined;
    for (let attempt = 0; attempt < Math.max(tries, servers.length); attempt++) {
      const server = servers[attempt % servers.length];
      const left = deadline - performance.now();
      if (!server || left <= 0) break;
      try {
        const answer = await askServer(server, buildQuery(0, name, type, dnssec), Math.min(left, this.#timeoutMs));
        this.#heard();
        if (!refuses(answer.rcode)) return answer;
        refused = answer;
        // Each is heard once: what one refuses, another may know, and it will not change its mind.
        if (attempt >= servers.length - 1) break;
      } catch (error) {
        failure = error;
      }
    }
    if (refused) return refused;
    this.#unheard(failure);
    throw new KnitError('NO_UPSTREAM', messageOf(failure));
  }

  #inOrder(routes: Routes, name: NameKey): UpstreamServer[] {
    const all = upstreamsFor(routes, name).flatMap((upstream) => this.#servers.get(upstreamText(upstream)) ?? []);
    const down = all.filter((server) => server.isDown);
    if (down.length > 0 && down.length === all.length) this.stats.allDown++;
    else for (const server of down) server.probe(this.#timeoutMs);
    return [...all.filter((server) => !server.isDown), ...down];
  }

  /** One line when answers end and one when they are back: every question would be a flood. */
  #unheard(error: unknown): void {
    if (!this.#silent) this.#log.warn('no upstream answers', { reason: messageOf(error) });
    this.#silent = true;
  }

  #heard(): void {
    if (this.#silent) this.#log.info('upstreams answer again');
    this.#silent = false;
  }
}

function cacheKey(name: NameKey, type: number, dnssec: boolean): string {
  return `${type}${dnssec ? 'd' : 'n'}${name}`;
}

function upstreamsFor({ stubs, upstreams }: Routes, name: NameKey): readonly Upstream[] {
  if (stubs.size === 0) return upstreams;
  for (let domain: NameKey | undefined = name; domain !== undefined; domain = parentKey(domain)) {
    const found = stubs.get(domain);
    if (found) return found;
  }
  return upstreams;
}

async function askServer(server: UpstreamServer, query: Buffer, timeoutMs: number): Promise<CachedAnswer> {
  const answer = readAnswer(await server.ask(query, timeoutMs), Date.now());
  if (answer) return answer;
  throw new KnitError('BAD_ANSWER', `malformed answer from ${server.name}`);
}

/** Codes by which a server says that it cannot help; glibc's resolver goes on to the next one, too. */
function refuses(rcode: number): boolean {
  return rcode === Rcode.SERVFAIL || rcode === Rcode.REFUSED || rcode === Rcode.NOTIMP;
}
