import { Flag, headerBytes, Rcode, readRecord, skipName, Type, word } from './message.ts';

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
  /** Records in the answer section. */
  readonly answers: number;
  /** Seconds it may be kept. */
  readonly ttl: number;
  readonly receivedAt: number;
}

/** Whether there is such a name and type (RFC 2308), and so one of CoreDNS' two caches. */
export function isDenial({ rcode, answers }: Pick<CachedAnswer, 'rcode' | 'answers'>): boolean {
  return rcode !== Rcode.NOERROR || answers === 0;
}

/** Counts for metrics. */
class CacheStats {
  requests = 0;
  readonly hits = { success: 0, denial: 0 };
  readonly entries = { success: 0, denial: 0 };
  evictions = 0;
}

/** Answers of upstreams for as long as their TTL allows (RFC 2308 for negative ones), oldest out first when full. */
export class AnswerCache {
  readonly stats = new CacheStats();
  readonly #answers = new Map<string, CachedAnswer>();
  readonly #capacity: number;
  readonly #now: () => number;

  constructor(capacity = defaultEntries, now: () => number = Date.now) {
    this.#capacity = capacity;
    this.#now = now;
  }

  get(key: string): CachedAnswer | undefined {
    this.stats.requests++;
    const answer = this.#answers.get(key);
    if (!answer) return undefined;
    if (this.#now() - answer.receivedAt < answer.ttl * 1000) {
      this.stats.hits[kindOf(answer)]++;
      return answer;
    }
    this.#delete(key);
    return undefined;
  }

  set(key: string, answer: CachedAnswer): void {
    if (answer.ttl <= 0) return;
    this.#delete(key);
    if (this.#answers.size >= this.#capacity) {
      const oldest = this.#answers.keys().next();
      if (!oldest.done) this.#delete(oldest.value);
      this.stats.evictions++;
    }
    this.#answers.set(key, answer);
    this.stats.entries[kindOf(answer)]++;
  }

  clear(): void {
    this.#answers.clear();
    this.stats.entries.success = this.stats.entries.denial = 0;
  }

  #delete(key: string): void {
    const answer = this.#answers.get(key);
    if (!answer) return;
    this.#answers.delete(key);
    this.stats.entries[kindOf(answer)]--;
  }
}

const kindOf = (answer: CachedAnswer) => (isDenial(answer) ? 'denial' : 'success');

/** Reads an upstream's answer; `undefined` where it is malformed. */
export function readAnswer(message: Buffer, now: number): CachedAnswer | undefined {
  if (message.length < headerBytes || word(message, 4) !== 1) return undefined;
  const nameEnd = skipName(message, headerBytes);
  if (nameEnd < 0 || nameEnd + 4 > message.length) return undefined;
  const [answers, authorities, additionals] = [word(message, 6), word(message, 8), word(message, 10)];
  const ttlsAt: number[] = [];
  let ttl = maxTtl;
  let denialTtl = 0;
  let at = nameEnd + 4;
  for (let i = 0; i < answers + authorities + additionals; i++) {
    const record = readRecord(message, at);
    if (!record) return undefined;
    // OPT speaks of one hop and is no part of what is passed on, nor are the few records that may stand behind it.
    if (record.type === Type.OPT) {
      if (i < answers + authorities) return undefined;
      break;
    }
    at = record.end;
    ttlsAt.push(record.ttlAt);
    ttl = Math.min(ttl, record.ttl);
    // The SOA's last word is how long "there is none" holds (RFC 2308 §5).
    if (record.type === Type.SOA && record.end - record.dataAt >= 22) denialTtl = message.readUInt32BE(record.end - 4);
  }
  const bytes = Buffer.from(message.subarray(0, at));
  bytes.writeUInt16BE(ttlsAt.length - answers - authorities, 10);
  const flags = word(message, 2);
  const rcode = flags & 15;
  // Part of an answer is passed on, so that the asker comes back over TCP, but not kept.
  const keep = flags & Flag.TC ? 0 : keepSeconds({ rcode, answers }, ttl, denialTtl);
  return { bytes, ttlsAt, rcode, answers, ttl: keep, receivedAt: now };
}

function keepSeconds(answer: Pick<CachedAnswer, 'rcode' | 'answers'>, ttl: number, denialTtl: number): number {
  if (!isDenial(answer)) return ttl;
  if (answer.rcode === Rcode.NOERROR || answer.rcode === Rcode.NXDOMAIN) return Math.min(ttl, denialTtl);
  return answer.rcode === Rcode.SERVFAIL ? failureTtl : 0;
}
