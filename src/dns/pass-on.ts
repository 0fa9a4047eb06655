import type { CachedAnswer } from './cache.ts';
import { Flag, headerBytes, type Query, readName, readRecord, skipName, Type, word } from './message.ts';
import type { NameKey, WireText } from './names.ts';
import { answerLimit, type Protocol } from './response.ts';

/** Bits of an upstream's header that say nothing any more when the answer comes from us. */
const hopFlags = Flag.AA | Flag.RD | Flag.CD;

/** An upstream's answer as an answer to this very question: its id, its case, TTLs that have run on, its EDNS. */
export function passOn(query: Query, answer: CachedAnswer, protocol: Protocol): Buffer {
  const fits = answer.bytes.length + (query.edns ? 11 : 0) <= answerLimit(query, protocol);
  const bytes = fits ? Buffer.from(answer.bytes) : questionOf(answer.bytes);
  query.bytes.copy(bytes, 0, 0, 2);
  query.bytes.copy(bytes, headerBytes, headerBytes, query.questionEnd);
  const flags = (word(bytes, 2) & ~hopFlags) | (query.flags & (Flag.RD | Flag.CD)) | Flag.RA;
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

/** A record with its names written out, so that it can stand in another message. */
export interface PlainRecord {
  readonly section: 'answer' | 'authority';
  readonly owner: NameKey;
  readonly type: number;
  readonly ttl: number;
  readonly data: WireText;
}

/** The answers of a type with the CNAMEs that lead to them, and the SOA that denies them. */
export function recordsOf({ bytes }: CachedAnswer, type: number): PlainRecord[] {
  const records: PlainRecord[] = [];
  const answers = word(bytes, 6);
  let at = skipName(bytes, headerBytes) + 4;
  for (let i = 0; i < answers + word(bytes, 8); i++) {
    const record = readRecord(bytes, at);
    if (!record) break;
    at = record.end;
    const section = i < answers ? 'answer' : 'authority';
    if (section === 'answer' ? record.type !== Type.CNAME && record.type !== type : record.type !== Type.SOA) continue;
    const owner = readName(bytes, record.start);
    const data = plainData(bytes, record);
    if (owner !== undefined && data !== undefined)
      records.push({ section, owner, type: record.type, ttl: record.ttl, data });
  }
  return records;
}

/** Bytes of a type's data before, between and behind its names, which may be compressed (RFC 3597 §4). */
const nameAt = new Map<number, readonly [before: number, names: number]>([
  [Type.NS, [0, 1]],
  [Type.CNAME, [0, 1]],
  [Type.PTR, [0, 1]],
  [Type.SOA, [0, 2]],
  [Type.MX, [2, 1]],
  [Type.SRV, [6, 1]],
]);

function plainData(bytes: Buffer, { type, dataAt, end }: { type: number; dataAt: number; end: number }) {
  const [before, names] = nameAt.get(type) ?? [0, 0];
  let at = dataAt + before;
  let data = bytes.toString('latin1', dataAt, at);
  for (let i = 0; i < names; i++) {
    const name = readName(bytes, at);
    if (name === undefined) return undefined;
    data += name;
    at = skipName(bytes, at);
  }
  return at <= end ? data + bytes.toString('latin1', at, end) : undefined;
}
