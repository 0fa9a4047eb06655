import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { answerFromZone, begin, refuse } from './answer.ts';
import type { Autopath } from './autopath.ts';
import { type CachedAnswer, isDenial } from './cache.ts';
import type { Forwarder } from './forward.ts';
import { Class, Flag, parseQuery, type Query, Rcode, Type, word } from './message.ts';
import type { DnsMetrics, Plugin } from './metrics.ts';
import type { NameKey } from './names.ts';
import { passOn, recordsOf } from './pass-on.ts';
import { bareError, type Protocol, ResponseWriter } from './response.ts';
import type { Zone } from './zone.ts';

export interface ResolverOptions {
  readonly zone: Zone;
  readonly forwarder: Forwarder;
  readonly metrics: DnsMetrics;
  readonly log: Log;
  /** Asked at each question that the zone denies; `undefined` while it is off. */
  autopath?(): Autopath | undefined;
}

/** A question as it came in. */
export interface Asked {
  readonly message: Buffer;
  readonly protocol: Protocol;
  /** The asker's address. */
  readonly from: string;
  /** Called at most once; never for what is not to be answered. */
  reply(answer: Buffer): void;
}

/** An answer and who made it. */
interface Made {
  readonly bytes: Buffer;
  readonly plugin: Plugin;
}

/** From a message to its answer: the zone's own names at once, all others through the forwarder. */
export class Resolver {
  readonly #zone: Zone;
  readonly #forwarder: Forwarder;
  readonly #metrics: DnsMetrics;
  readonly #log: Log;
  readonly #autopath: () => Autopath | undefined;
  readonly #writer = new ResponseWriter();
  #waiting = 0;
  #idle: (() => void) | undefined;

  constructor({ zone, forwarder, metrics, log, autopath = () => undefined }: ResolverOptions) {
    this.#zone = zone;
    this.#forwarder = forwarder;
    this.#metrics = metrics;
    this.#log = log;
    this.#autopath = autopath;
  }

  /** Replies before it returns where the zone or the cache knows the answer. */
  resolve(asked: Asked): void {
    const began = performance.now();
    const made = this.#take(asked);
    if (!made) return;
    if (!(made instanceof Promise)) {
      this.#send(asked, made, began);
      return;
    }
    this.#waiting++;
    made
      .catch((error: unknown) => this.#mistake(asked, error))
      .then((answer) => this.#send(asked, answer, began))
      .finally(() => {
        if (--this.#waiting === 0) this.#idle?.();
      });
  }

  /** Resolves when no question waits for an upstream. */
  async whenIdle(): Promise<void> {
    if (this.#waiting === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** `undefined` for what is not to be answered. */
  #take(asked: Asked): Made | Promise<Made> | undefined {
    const { message, protocol, from } = asked;
    try {
      const parsed = parseQuery(message);
      if (parsed.kind === 'drop') return undefined;
      const type = parsed.kind === 'query' ? parsed.query.type : 0;
      this.#metrics.asked(type, protocol, from.includes(':'), message.length);
      if (parsed.kind === 'error') return { bytes: bareError(message, parsed.rcode), plugin: '' };
      if (parsed.query.edns?.dnssec) this.#metrics.dnssec++;
      return this.#make(parsed.query, protocol, from);
    } catch (error) {
      return this.#mistake(asked, error);
    }
  }

  /** What we did wrong costs this one question, not the cluster's names. */
  #mistake({ message }: Asked, error: unknown): Made {
    this.#metrics.panics++;
    this.#log.error('a question failed', { error, message: message.toString('hex') });
    return { bytes: bareError(message, Rcode.SERVFAIL), plugin: '' };
  }

  #send(asked: Asked, { bytes, plugin }: Made, began: number): void {
    const rcode = word(bytes, 2) & 15;
    this.#metrics.answered(rcode, plugin, asked.protocol, bytes.length, performance.now() - began);
    asked.reply(bytes);
  }

  #make(query: Query, protocol: Protocol, from: string): Made | Promise<Made> {
    const answered = answerFromZone(this.#zone, this.#writer, query, protocol);
    if (answered.kind === 'elsewhere') return this.#forward(query, protocol);
    if (answered.kind === 'alias') return this.#followAlias(query, protocol, answered.chain, answered.target);
    const made: Made = { bytes: answered.bytes, plugin: 'kubernetes' };
    return answered.rcode === Rcode.NXDOMAIN ? this.#searchOn(query, protocol, from, made) : made;
  }

  #forward(query: Query, protocol: Protocol): Made | Promise<Made> {
    if (query.name === this.#forwarder.loopName) {
      this.#forwarder.loopFound();
      return this.#code(query, Rcode.REFUSED);
    }
    // Without "recursion desired" only the zone is asked for, and it had no answer.
    if (!(query.flags & Flag.RD)) return this.#code(query, Rcode.REFUSED);
    const dnssec = query.edns?.dnssec ?? false;
    const cached = this.#forwarder.cached(query.name, query.type, dnssec);
    if (cached) return { bytes: passOn(query, cached, protocol), plugin: 'cache' };
    return this.#forwarder
      .resolve(query.name, query.type, dnssec)
      .then((answer): Made => ({ bytes: passOn(query, answer, protocol), plugin: 'forward' }))
      .catch((error: unknown) => this.#unresolved(query, error));
  }

  /** CNAME records of the zone, then what the upstream says of the last one's target. */
  async #followAlias(query: Query, protocol: Protocol, chain: readonly NameKey[], target: NameKey): Promise<Made> {
    // The aliases are worth having even where nobody can say what is behind them.
    const answer = await this.#ask(target, query.type).catch(() => undefined);
    return { bytes: this.#throughAlias(query, protocol, chain, target, answer), plugin: 'kubernetes' };
  }

  #throughAlias(
    query: Query,
    protocol: Protocol,
    chain: readonly NameKey[],
    target: NameKey,
    answer: CachedAnswer | undefined,
  ): Buffer {
    const writer = this.#writer;
    begin(this.#zone, writer, query, protocol, chain, target);
    for (const { owner, type, ttl, data, section } of answer ? recordsOf(answer, query.type) : []) {
      const limited = Math.min(ttl, this.#zone.ttl);
      if (section === 'answer') writer.answer(owner, type, limited, data);
      else writer.authority(owner, type, limited, data);
    }
    return writer.finish(answer?.rcode ?? Rcode.SERVFAIL);
  }

  async #ask(name: NameKey, type: number): Promise<CachedAnswer> {
    return this.#forwarder.cached(name, type, false) ?? (await this.#forwarder.resolve(name, type, false));
  }

  /** Where a pod's search begins at a name that is not there, the names that it would ask next are asked for it. */
  #searchOn(query: Query, protocol: Protocol, from: string, denied: Made): Made | Promise<Made> {
    if (query.class !== Class.IN || query.type === Type.ANY) return denied;
    const candidates = this.#autopath()?.candidates(query.name, from) ?? [];
    return candidates.length === 0 ? denied : this.#search(query, protocol, candidates, denied);
  }

  /**
   * The first candidate with records is the answer; else one that is there without; else the name is denied, as where no
   * upstream answers: the asker will search on by itself.
   */
  async #search(query: Query, protocol: Protocol, candidates: readonly NameKey[], denied: Made): Promise<Made> {
    let found: (() => Buffer | Promise<Buffer>) | undefined;
    for (const name of candidates) {
      const { kind } = this.#zone.lookup(name, query.type);
      // Names that only have others below them, as those of namespaces, are not what anybody searches for.
      if (kind === 'nxdomain' || (kind === 'nodata' && !this.#zone.hasRecords(name))) continue;
      if (kind !== 'elsewhere') {
        found = () => this.#answerAs(query, protocol, name);
        break;
      }
      const answer = await this.#ask(name, query.type).catch(() => undefined);
      if (!answer) return denied;
      if (answer.rcode !== Rcode.NOERROR) continue;
      found = () => this.#throughAlias(query, protocol, [query.name], name, answer);
      if (!isDenial(answer)) break;
    }
    if (!found) return denied;
    this.#metrics.autopaths++;
    return { bytes: await found(), plugin: 'autopath' };
  }

  /** The zone's answer, as if the name that was asked for were an alias of `name`. */
  async #answerAs(query: Query, protocol: Protocol, name: NameKey): Promise<Buffer> {
    const answered = answerFromZone(this.#zone, this.#writer, query, protocol, name);
    if (answered.kind === 'answer') return answered.bytes;
    const chain = answered.kind === 'alias' ? answered.chain : [query.name];
    const target = answered.kind === 'alias' ? answered.target : name;
    return (await this.#followAlias(query, protocol, chain, target)).bytes;
  }

  /** The forwarder tells, once, that no upstream answers. */
  #unresolved(query: Query, error: unknown): Made {
    const code = error instanceof KnitError ? error.code : '';
    if (code === 'TOO_MANY') return this.#code(query, Rcode.REFUSED);
    if (code === 'NO_UPSTREAM') return this.#code(query, Rcode.SERVFAIL);
    throw error;
  }

  #code(query: Query, rcode: number): Made {
    return { bytes: refuse(this.#writer, query, rcode).bytes, plugin: 'forward' };
  }
}
