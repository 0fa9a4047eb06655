import { headerBytes, Rcode, readRecord, skipName, Type, word } from './message.ts';

/** Caps of CoreDNS' `cache 30`, in seconds; failures are kept 5. */
const maxTtl = 30;
const failureTtl = 5;
const defaultEntries = 10_000;

/** An upstream's answer without its OPT record, ready to be sent again. */
export interface CachedAnswer {
  readonly bytes: Buffer;
  /** Where each record's TTL stands in `bytes`. */
  readonly ttlsAt: readonly number[];
  readonly rcode: number;
  /** Seconds it may be kept. */
  readonly ttl: number;
  readonly receivedAt: number;
}

/** Answers of upstreams for as long as their TTL allows (RFC 2308 for negative ones), oldest out first when full. */
export class AnswerCache {
  readonly #answers = new Map<string, CachedAnswer>();
  readonly #capacity: number;
  readonly #now: () => number;
  hits = 0;
  misses = 0;

  constructor(capacity = defaultEntries, now: () => number = Date.now) {
    this.#capacity = capacity;
    this.#now = now;
  }

  get(key: string): CachedAnswer | undefined {
    const answer = this.#answers.get(key);
    if (answer && this.#now() - answer.receivedAt < answer.ttl * 1000) {
      this.hits++;
      return answer;
    }
    if (answer) this.#answers.delete(key);
    this.misses++;
    return undefined;
  }

  set(key: string, answer: CachedAnswer): void {
    if (answer.ttl <= 0) return;
    this.#answers.delete(key);
    if (this.#answers.size >= this.#capacity) {
      const oldest = this.#answers.keys().next();
      if (!oldest.done) this.#answers.delete(oldest.value);
    }
    this.#answers.set(key, answer);
  }
}

/** Reads an upstream's answer; `undefined` where it is malformed. */
export function readAnswer(message: Buffer, now: number): CachedAnswer | undefined {
  if (message.length < headerBytes || word(message, 4) !== 1) return undefined;
  const nameEnd = skipName(message, headerBytes);
  if (nameEnd < 0 || nameEnd + 4 > message.length) return undefined;
  const counts = [word(message, 6), word(message, 8), word(message, 10)] as const;
  const answer = { ttlsAt: [] as number[], ttl: maxTtl, soa: undefined as number | undefined };
  let optAt: { start: number; end: number } | undefined;
  let at = nameEnd + 4;
  for (let i = 0; i < counts[0] + counts[1] + counts[2]; i++) {
    const record = readRecord(message, at);
    if (!record) return undefined;
    at = record.end;
    if (record.type === Type.OPT) {
      optAt = record;
      continue;
    }
    answer.ttlsAt.push(record.ttlAt);
    answer.ttl = Math.min(answer.ttl, record.ttl);
    // The SOA's last word is how long "there is none" holds (RFC 2308 §5).
    if (record.type === Type.SOA && record.end - record.dataAt >= 22) answer.soa = message.readUInt32BE(record.end - 4);
  }
  const rcode = word(message, 2) & 15;
  const bytes = withoutOpt(message.subarray(0, at), optAt);
  if (!bytes) return undefined;
  const ttl = keepSeconds(rcode, counts[0], answer.ttl, answer.soa);
  return { bytes, ttlsAt: answer.ttlsAt, rcode, ttl, receivedAt: now };
}

function keepSeconds(rcode: number, answers: number, ttl: number, soa: number | undefined): number {
  if (rcode === Rcode.NOERROR && answers > 0) return ttl;
  if (rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN) return soa === undefined ? 0 : Math.min(ttl, soa);
  return rcode === Rcode.SERVFAIL ? failureTtl : 0;
}

/** OPT speaks of one hop and is no part of what is passed on. Servers put it last; where not, it can't be cut out. */
function withoutOpt(message: Buffer, opt: { start: number; end: number } | undefined): Buffer | undefined {
  if (opt && opt.end !== message.length) return undefined;
  const bytes = Buffer.from(opt ? message.subarray(0, opt.start) : message);
  if (opt) bytes.writeUInt16BE(bytes.readUInt16BE(10) - 1, 10);
  return bytes;
}
