import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { answerFromZone, begin, refuse } from './answer.ts';
import type { CachedAnswer } from './cache.ts';
import type { Forwarder } from './forward.ts';
import {
  Flag,
  headerBytes,
  parseQuery,
  type Query,
  Rcode,
  readName,
  readRecord,
  skipName,
  Type,
  word,
} from './message.ts';
import type { NameKey } from './names.ts';
import { answerLimit, bareError, type Protocol, ResponseWriter } from './response.ts';
import type { Zone } from './zone.ts';

export interface ResolverOptions {
  readonly zone: Zone;
  readonly forwarder: Forwarder;
  readonly log: Log;
}

/** Counts for metrics: questions by protocol, answers by code. */
export interface ResolverStats {
  readonly requests: Record<Protocol, number>;
  readonly responses: Map<number, number>;
}

/** From a message to its answer: the zone's own names at once, all others through the forwarder. */
export class Resolver {
  readonly stats: ResolverStats = { requests: { udp: 0, tcp: 0 }, responses: new Map() };
  readonly #zone: Zone;
  readonly #forwarder: Forwarder;
  readonly #log: Log;
  readonly #writer = new ResponseWriter();

  constructor(options: ResolverOptions) {
    this.#zone = options.zone;
    this.#forwarder = options.forwarder;
    this.#log = options.log;
  }

  /** Calls `reply` once, before it returns where the zone knows the answer; never for what is not to be answered. */
  resolve(message: Buffer, protocol: Protocol, reply: (answer: Buffer) => void): void {
    const send = (answer: Buffer) => {
      const rcode = word(answer, 2) & 15;
      this.stats.responses.set(rcode, (this.stats.responses.get(rcode) ?? 0) + 1);
      reply(answer);
    };
    this.stats.requests[protocol]++;
    const parsed = parseQuery(message);
    if (parsed.kind === 'drop') return;
    if (parsed.kind === 'error') {
      send(bareError(message, parsed.rcode));
      return;
    }
    const { query } = parsed;
    const answered = answerFromZone(this.#zone, this.#writer, query, protocol);
    if (answered.kind === 'answer') {
      send(answered.bytes);
      return;
    }
    const forwarded =
      answered.kind === 'elsewhere'
        ? this.#forward(query, protocol)
        : this.#followAlias(query, protocol, answered.chain, answered.target);
    forwarded.then(send, (error: unknown) => {
      this.#log.warn('not resolved', { reason: messageOf(error) });
      send(this.#code(query, Rcode.SERVFAIL));
    });
  }

  async #forward(query: Query, protocol: Protocol): Promise<Buffer> {
    if (query.name === this.#forwarder.loopName) {
      this.#forwarder.loopFound();
      return this.#code(query, Rcode.REFUSED);
    }
    // Without "recursion desired" only the zone is asked for, and it had no answer.
    if (!(query.flags & Flag.RD)) return this.#code(query, Rcode.REFUSED);
    const dnssec = query.edns?.dnssec ?? false;
    const answer = await this.#forwarder.resolve(query.name, query.type, dnssec, protocol);
    return passOn(query, answer, protocol);
  }

  /** CNAME records of the zone, then what the upstream says of the last one's target. */
  async #followAlias(query: Query, protocol: Protocol, chain: readonly NameKey[], target: NameKey): Promise<Buffer> {
    // The aliases are worth having even where nobody can say what is behind them.
    const answer = await this.#forwarder.resolve(target, query.type, false, protocol).catch(() => undefined);
    begin(this.#zone, this.#writer, query, protocol, chain, target);
    for (const record of answer ? addressRecords(answer.bytes, query.type) : [])
      this.#writer.answer(record.owner, record.type, Math.min(record.ttl, this.#zone.ttl), record.data);
    return this.#writer.finish(answer?.rcode ?? Rcode.SERVFAIL);
  }

  #code(query: Query, rcode: number): Buffer {
    const answered = refuse(this.#writer, query, rcode);
    return answered.bytes;
  }
}

/** An upstream's answer as an answer to this very question: its id, its case, TTLs that have run on, its EDNS. */
function passOn(query: Query, answer: CachedAnswer, protocol: Protocol): Buffer {
  const fits = answer.bytes.length + (query.edns ? 11 : 0) <= answerLimit(query, protocol);
  const bytes = fits ? Buffer.from(answer.bytes) : questionOf(answer.bytes);
  query.bytes.copy(bytes, 0, 0, 2);
  query.bytes.copy(bytes, headerBytes, headerBytes, query.questionEnd);
  const flags = (bytes.readUInt16BE(2) & ~(Flag.RD | Flag.CD)) | (query.flags & (Flag.RD | Flag.CD)) | Flag.RA;
  bytes.writeUInt16BE(fits ? flags : flags | Flag.TC, 2);
  if (fits) {
    const elapsed = Math.floor((Date.now() - answer.receivedAt) / 1000);
    for (const at of answer.ttlsAt) bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - elapsed), at);
  }
  return query.edns ? withOpt(bytes, query.edns.dnssec) : bytes;
}

function questionOf(message: Buffer): Buffer {
  const bytes = Buffer.from(message.subarray(0, skipName(message, headerBytes) + 4));
  bytes.fill(0, 6, headerBytes);
  return bytes;
}

function withOpt(message: Buffer, dnssec: boolean): Buffer {
  const opt = Buffer.from([0, 0, Type.OPT, 0x04, 0xd0, 0, 0, dnssec ? 0x80 : 0, 0, 0, 0]);
  const bytes = Buffer.concat([message, opt]);
  bytes.writeUInt16BE(bytes.readUInt16BE(10) + 1, 10);
  return bytes;
}

interface PlainRecord {
  readonly owner: NameKey;
  readonly type: number;
  readonly ttl: number;
  readonly data: string;
}

/** The answer section's records of a type and the CNAMEs that lead to them, with names written out. */
function addressRecords(message: Buffer, type: number): PlainRecord[] {
  const records: PlainRecord[] = [];
  let at = skipName(message, headerBytes) + 4;
  for (let i = 0; i < word(message, 6); i++) {
    const record = readRecord(message, at);
    if (!record) break;
    at = record.end;
    const owner = readName(message, record.start);
    const data =
      record.type === Type.CNAME
        ? readName(message, record.dataAt)
        : message.toString('latin1', record.dataAt, record.end);
    const wanted = record.type === Type.CNAME || (record.type === type && hasNoNames(type));
    if (wanted && owner !== undefined && data !== undefined)
      records.push({ owner, type: record.type, ttl: record.ttl, data });
  }
  return records;
}

/** Data of other types may hold compressed names, which mean nothing in another message. */
function hasNoNames(type: number): boolean {
  return type === Type.A || type === Type.AAAA || type === Type.TXT;
}
