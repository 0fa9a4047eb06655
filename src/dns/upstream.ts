import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { KnitError } from '../base/errors.ts';
import { Histogram } from '../base/metrics.ts';
import { frame, Unframer } from './framing.ts';
import { Flag, headerBytes, Rcode, skipName, Type, word } from './message.ts';
import { rootKey } from './names.ts';
import { type Upstream, upstreamText } from './resolvconf.ts';
import { buildQuery } from './response.ts';

/** An upstream that failed so often in a row is down (CoreDNS' `max_fails`). */
const maxFailures = 2;
/** Least time between two looks at an upstream that is down (CoreDNS' `health_check`), in ms. */
const probeMs = 500;
/** CoreDNS' buckets for times, in seconds: 0.25 ms to 8 s. */
export const timeBounds = Array.from({ length: 16 }, (_, power) => 0.00025 * 2 ** power);

/** Questions that are under way, by what ends each early. */
export type Pending = Set<(reason: string) => void>;

/** One name server that is asked, and whether it is well. */
export class UpstreamServer {
  readonly upstream: Upstream;
  readonly name: string;
  readonly #pending: Pending;
  #failures = 0;
  #probedAt = Number.NEGATIVE_INFINITY;
  /** Times of its answers by their code, in seconds. */
  readonly durations = new Map<number, Histogram>();
  failedProbes = 0;

  constructor(upstream: Upstream, pending: Pending) {
    this.upstream = upstream;
    this.name = upstreamText(upstream);
    this.#pending = pending;
  }

  get isDown(): boolean {
    return this.#failures >= maxFailures;
  }

  /**
   * Asks over UDP, and over TCP where the answer was cut. Throws {@link KnitError} `UPSTREAM_SILENT` where no answer to
   * this very question came.
   */
  async ask(query: Buffer, timeoutMs: number): Promise<Buffer> {
    const began = performance.now();
    try {
      const message = await this.#exchange(query, timeoutMs);
      this.#failures = 0;
      this.#observe(word(message, 2) & 15, (performance.now() - began) / 1000);
      return message;
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }

  /** Looks whether it is back, where it is down. No timer does: who has a question can wait for nobody else's. */
  probe(timeoutMs: number): void {
    const now = performance.now();
    if (!this.isDown || now - this.#probedAt < probeMs) return;
    this.#probedAt = now;
    askOverUdp(this.upstream, buildQuery(0, rootKey, Type.NS, false), timeoutMs, this.#pending).then(
      () => {
        this.#failures = 0;
      },
      () => {
        this.failedProbes++;
      },
    );
  }

  async #exchange(query: Buffer, timeoutMs: number): Promise<Buffer> {
    const message = await askOverUdp(this.upstream, query, timeoutMs, this.#pending);
    if (!(word(message, 2) & Flag.TC)) return message;
    // Where TCP is not to be had, a part of the answer is better than none.
    return await askOverTcp(this.upstream, query, timeoutMs, this.#pending).catch(() => message);
  }

  #observe(rcode: number, seconds: number): void {
    let times = this.durations.get(rcode);
    if (!times) {
      times = new Histogram(timeBounds);
      this.durations.set(rcode, times);
    }
    times.observe(seconds);
  }
}

/** A socket of its own for each question: its port, which the kernel draws, has to be guessed beside the id (RFC 5452). */
function askOverUdp(upstream: Upstream, query: Buffer, timeoutMs: number, pending: Pending): Promise<Buffer> {
  query.writeUInt16BE(randomInt(0x10000), 0);
  return attempt(upstreamText(upstream), timeoutMs, pending, (done, fail) => {
    const socket = createSocket(isIPv6(upstream.address.replace(/%.*$/, '')) ? 'udp6' : 'udp4');
    socket.on('error', (error) => fail(error.message));
    socket.on('message', (message) => {
      if (isAnswerTo(message, query)) done(message);
    });
    socket.on('connect', () => socket.send(query));
    // Connected, it hears nobody else, and is told where nobody listens.
    socket.connect(upstream.port, upstream.address);
    return () => socket.close();
  });
}

function askOverTcp(upstream: Upstream, query: Buffer, timeoutMs: number, pending: Pending): Promise<Buffer> {
  query.writeUInt16BE(randomInt(0x10000), 0);
  return attempt(`${upstreamText(upstream)} over TCP`, timeoutMs, pending, (done, fail) => {
    const socket = connect(upstream.port, upstream.address);
    const unframer = new Unframer();
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => fail('closed without an answer'));
    socket.on('data', (data) => {
      const answer = unframer.push(data).find((message) => isAnswerTo(message, query));
      if (answer) done(answer);
    });
    socket.write(frame(query));
    return () => socket.destroy();
  });
}

/** Settles once: by an answer, a failure, the time that is over, or the end of everything. */
function attempt(
  whom: string,
  timeoutMs: number,
  pending: Pending,
  start: (done: (message: Buffer) => void, fail: (reason: string) => void) => () => void,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const end = () => {
    if (!pending.delete(fail)) return false;
    clearTimeout(timer);
    close();
    return true;
  };
  const fail = (reason: string) => {
    if (end()) reject(new KnitError('UPSTREAM_SILENT', `${whom}: ${reason}`));
  };
  pending.add(fail);
  const timer = setTimeout(() => fail(`no answer in ${timeoutMs} ms`), timeoutMs).unref();
  const close = start((message) => {
    if (end()) resolve(message);
  }, fail);
  return promise;
}

/** Guards against stray and forged answers: it must be a response to our very question. */
function isAnswerTo(message: Buffer, query: Buffer): boolean {
  const end = skipName(query, headerBytes) + 4;
  return (
    message.length >= headerBytes &&
    word(message, 0) === word(query, 0) &&
    (word(message, 2) & Flag.QR) !== 0 &&
    (sameQuestion(message, query, end) || isBareFailure(message))
  );
}

function sameQuestion(message: Buffer, query: Buffer, end: number): boolean {
  const question = (bytes: Buffer) => bytes.toString('latin1', headerBytes, end).toLowerCase();
  return message.length >= end && question(message) === question(query);
}

/** Who does not understand a question may leave it out of the answer. */
function isBareFailure(message: Buffer): boolean {
  const rcode = word(message, 2) & 15;
  return word(message, 4) === 0 && (rcode === Rcode.FORMERR || rcode === Rcode.NOTIMP || rcode === Rcode.REFUSED);
}
