import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { KnitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { AnswerCache, type CachedAnswer, readAnswer } from './cache.ts';
import { frame, Unframer } from './framing.ts';
import { Flag, headerBytes, Type, word } from './message.ts';
import { knownNameKey, type NameKey } from './names.ts';
import type { Upstream } from './resolvconf.ts';
import { buildQuery, type Protocol } from './response.ts';

/** Time one upstream has for one try, and how many tries there are in all. */
const defaultTimeoutMs = 2000;
const tries = 3;
/** More questions under way than this are refused, as CoreDNS' `max_concurrent 1000` does. */
const maxPending = 1000;

export interface ForwarderOptions {
  readonly upstreams: readonly Upstream[];
  readonly log: Log;
  readonly timeoutMs?: number;
  readonly cache?: AnswerCache;
}

interface Pending {
  readonly question: Buffer;
  resolve(message: Buffer): void;
  fail(reason: string): void;
}

/** Asks upstreams: one after the other until one answers, with a cache before them. */
export class Forwarder {
  /** A name nobody else asks for: if it comes in as a question, an upstream leads back to us. */
  readonly loopName: NameKey = knownNameKey(`${randomInt(2 ** 47)}.${randomInt(2 ** 47)}`);
  readonly cache: AnswerCache;
  readonly #upstreams: UdpUpstream[];
  readonly #timeoutMs: number;
  readonly #log: Log;
  readonly #underway = new Map<string, Promise<CachedAnswer>>();
  #looping = false;
  #preferred = 0;

  constructor(options: ForwarderOptions) {
    this.cache = options.cache ?? new AnswerCache();
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#log = options.log;
    this.#upstreams = options.upstreams.map((upstream) => new UdpUpstream(upstream, options.log));
  }

  /** Asks the loop's question once. A healthy upstream answers that there is no such name. */
  async checkLoop(): Promise<void> {
    if (this.#upstreams.length === 0) return;
    try {
      await this.resolve(this.loopName, Type.HINFO, false, 'udp');
    } catch (error) {
      this.#log.warn('no upstream answers', { reason: messageOf(error) });
    }
  }

  /** To be called when {@link loopName} was asked of us. Nothing is forwarded from then on. */
  loopFound(): void {
    if (this.#looping) return;
    this.#looping = true;
    this.#log.error('an upstream sends our questions back to us; not forwarding any more', {
      upstreams: this.#upstreams.map(({ upstream }) => upstream.address).join(','),
    });
  }

  /**
   * The answer to a question of class IN. Those who ask the same at the same time share one question.
   * Throws {@link KnitError} `NO_UPSTREAM` where none answered.
   */
  async resolve(name: NameKey, type: number, dnssec: boolean, protocol: Protocol): Promise<CachedAnswer> {
    const key = `${type}${dnssec ? 'd' : ''}${protocol[0]}${name}`;
    const cached = this.cache.get(key);
    if (cached) return cached;
    const underway = this.#underway.get(key);
    if (underway) return underway;
    if (this.#looping) throw new KnitError('NO_UPSTREAM', 'the upstreams lead back to this server');
    if (this.#underway.size >= maxPending) throw new KnitError('NO_UPSTREAM', `${maxPending} questions are under way`);
    const asked = this.#ask(name, type, dnssec, protocol)
      .then((answer) => {
        this.cache.set(key, answer);
        return answer;
      })
      .finally(() => this.#underway.delete(key));
    this.#underway.set(key, asked);
    return asked;
  }

  close(): void {
    for (const upstream of this.#upstreams) upstream.close();
  }

  async #ask(name: NameKey, type: number, dnssec: boolean, protocol: Protocol): Promise<CachedAnswer> {
    let last: unknown = new KnitError('NO_UPSTREAM', 'no upstream is configured');
    const count = this.#upstreams.length;
    for (let attempt = 0; count > 0 && attempt < Math.max(tries, count); attempt++) {
      const index = (this.#preferred + attempt) % count;
      const upstream = this.#upstreams[index] as UdpUpstream;
      const query = buildQuery(0, name, type, dnssec);
      try {
        const message = await (protocol === 'udp'
          ? upstream.ask(query, this.#timeoutMs)
          : askOverTcp(upstream.upstream, query, this.#timeoutMs));
        const answer = readAnswer(message, Date.now());
        if (!answer) throw new KnitError('BAD_ANSWER', `malformed answer from ${upstream.upstream.address}`);
        // What answers is asked first from now on.
        if (index !== this.#preferred) this.#preferred = index;
        // A truncated answer is passed on, so that the asker comes back over TCP, but not kept.
        return word(message, 2) & Flag.TC ? { ...answer, ttl: 0 } : answer;
      } catch (error) {
        last = error;
      }
    }
    throw new KnitError('NO_UPSTREAM', messageOf(last));
  }
}

/** One upstream's UDP socket: opened when first needed, questions told apart by random ids. */
class UdpUpstream {
  readonly upstream: Upstream;
  readonly #log: Log;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;

  constructor(upstream: Upstream, log: Log) {
    this.upstream = upstream;
    this.#log = log;
  }

  ask(query: Buffer, timeoutMs: number): Promise<Buffer> {
    const id = this.#freeId();
    query.writeUInt16BE(id, 0);
    const socket = this.#open();
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#pending.delete(id);
      };
      const fail = (reason: string) => {
        settle();
        reject(new KnitError('UPSTREAM_SILENT', `${this.upstream.address}: ${reason}`));
      };
      const timer = setTimeout(() => fail(`no answer in ${timeoutMs} ms`), timeoutMs).unref();
      const question = query.subarray(headerBytes, query.length - 11);
      this.#pending.set(id, {
        question,
        resolve(message) {
          settle();
          resolve(message);
        },
        fail,
      });
      socket.send(query, this.upstream.port, this.upstream.address, (error) => {
        if (error) fail(error.message);
      });
    });
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
    for (const pending of [...this.#pending.values()]) pending.fail('closed');
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const socket = createSocket(isIPv6(this.upstream.address.replace(/%.*$/, '')) ? 'udp6' : 'udp4');
    socket.on('message', (message, from) => {
      if (from.port !== this.upstream.port || message.length < headerBytes) return;
      const pending = this.#pending.get(word(message, 0));
      if (pending && answersQuestion(message, pending.question)) pending.resolve(message);
    });
    socket.on('error', (error) => {
      this.#log.warn('upstream socket failed', { upstream: this.upstream.address, reason: error });
      this.#socket = undefined;
      socket.close();
    });
    socket.unref();
    this.#socket = socket;
    return socket;
  }

  #freeId(): number {
    for (;;) {
      const id = randomBytes(2).readUInt16BE(0);
      if (!this.#pending.has(id)) return id;
    }
  }
}

/** Guards against stray and forged answers: it must be a response to our very question. */
function answersQuestion(message: Buffer, question: Buffer): boolean {
  return (
    (word(message, 2) & Flag.QR) !== 0 &&
    message.length >= headerBytes + question.length &&
    message.toString('latin1', headerBytes, headerBytes + question.length).toLowerCase() ===
      question.toString('latin1').toLowerCase()
  );
}

function askOverTcp(upstream: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  query.writeUInt16BE(randomBytes(2).readUInt16BE(0), 0);
  return new Promise((resolve, reject) => {
    const socket = connect(upstream.port, upstream.address);
    const unframer = new Unframer();
    const fail = (reason: string) => {
      socket.destroy();
      reject(new KnitError('UPSTREAM_SILENT', `${upstream.address} over TCP: ${reason}`));
    };
    const timer = setTimeout(() => fail(`no answer in ${timeoutMs} ms`), timeoutMs);
    socket.on('close', () => clearTimeout(timer));
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => fail('closed without an answer'));
    socket.on('data', (data) => {
      for (const message of unframer.push(data)) {
        if (message.length < headerBytes || word(message, 0) !== word(query, 0)) continue;
        resolve(message);
        socket.destroy();
        return;
      }
    });
    socket.write(frame(query));
  });
}
