import { maxNameBytes, type NameKey } from './names.ts';

/** Record types that the server knows by name (IANA's registry of DNS parameters). */
export const Type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const Class = { IN: 1, ANY: 255 } as const;

/** Response codes. `BADVERS` (16) has its upper bits in the OPT record. */
export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** Bits of the header's second 16-bit word. */
export const Flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;

export const headerBytes = 12;
/** A message over UDP without EDNS0 (RFC 1035 §4.2.1). */
export const plainUdpBytes = 512;
/** What we take and send over UDP at most: fits one Ethernet frame (DNS flag day 2020). */
export const ednsUdpBytes = 1232;

export interface Edns {
  /** What the asker can take over UDP, in bytes. */
  readonly udpBytes: number;
  readonly version: number;
  /** DNSSEC OK. */
  readonly dnssec: boolean;
}

/** One question with its header. */
export interface Query {
  /** The message as it came; the question is copied from it, so that its case is kept. */
  readonly bytes: Buffer;
  readonly id: number;
  readonly flags: number;
  readonly name: NameKey;
  readonly type: number;
  readonly class: number;
  /** Where the question ends in `bytes`. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

export type Parsed =
  | { readonly kind: 'query'; readonly query: Query }
  /** Not to be answered: too short for a header, or itself a response. */
  | { readonly kind: 'drop' }
  /** To be answered with a bare header. */
  | { readonly kind: 'error'; readonly rcode: number };

const drop: Parsed = { kind: 'drop' };
const formErr: Parsed = { kind: 'error', rcode: Rcode.FORMERR };
const notImp: Parsed = { kind: 'error', rcode: Rcode.NOTIMP };

/** Reads a query. Whatever the bytes are, it returns; it never throws. */
export function parseQuery(bytes: Buffer): Parsed {
  if (bytes.length < headerBytes) return drop;
  const flags = word(bytes, 2);
  if (flags & Flag.QR) return drop;
  if ((flags >> 11) & 15) return notImp;
  // Exactly one question, as BIND wants it, and a query carries no answers.
  if (word(bytes, 4) !== 1 || word(bytes, 6) !== 0) return formErr;
  const nameEnd = endOfPlainName(bytes, headerBytes);
  if (nameEnd < 0 || nameEnd + 4 > bytes.length) return formErr;
  const questionEnd = nameEnd + 4;
  const edns = readEdns(bytes, questionEnd, word(bytes, 8) + word(bytes, 10));
  if (edns === 'malformed') return formErr;
  return {
    kind: 'query',
    query: {
      bytes,
      id: word(bytes, 0),
      flags,
      name: lowerCase(bytes, headerBytes, nameEnd),
      type: word(bytes, nameEnd),
      class: word(bytes, nameEnd + 2),
      questionEnd,
      edns,
    },
  };
}

/** Where an uncompressed name ends, or -1. A question's name has nothing before it that it could point to. */
function endOfPlainName(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return -1;
    at += 1 + length;
    if (at - start > maxNameBytes) return -1;
    if (length === 0) return at;
  }
}

function readEdns(bytes: Buffer, start: number, records: number): Edns | undefined | 'malformed' {
  let at = start;
  let edns: Edns | undefined;
  for (let i = 0; i < records; i++) {
    const record = readRecord(bytes, at);
    if (!record) return 'malformed';
    if (record.type === Type.OPT) {
      // More than one OPT, or one that has a name, is an error (RFC 6891 §6.1.1).
      if (edns || bytes[at] !== 0) return 'malformed';
      const ttl = record.ttl;
      edns = { udpBytes: record.class, version: (ttl >>> 16) & 0xff, dnssec: (ttl & 0x8000) !== 0 };
    }
    at = record.end;
  }
  return edns;
}

/** A record where it stands in a message. */
export interface RecordView {
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Where its TTL stands. */
  readonly ttlAt: number;
  readonly start: number;
  readonly dataAt: number;
  readonly end: number;
}

/** The record at `at`, or `undefined` where the message ends too soon. */
export function readRecord(bytes: Buffer, at: number): RecordView | undefined {
  const nameEnd = skipName(bytes, at);
  if (nameEnd < 0 || nameEnd + 10 > bytes.length) return undefined;
  const end = nameEnd + 10 + word(bytes, nameEnd + 8);
  if (end > bytes.length) return undefined;
  return {
    type: word(bytes, nameEnd),
    class: word(bytes, nameEnd + 2),
    ttl: bytes.readUInt32BE(nameEnd + 4),
    ttlAt: nameEnd + 4,
    start: at,
    dataAt: nameEnd + 10,
    end,
  };
}

/** Where a name, compressed or not, ends in place; -1 where it doesn't. */
export function skipName(bytes: Buffer, start: number): number {
  for (let at = start; ; ) {
    const length = bytes[at];
    if (length === undefined) return -1;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : -1;
    if (length > 63) return -1;
    at += 1 + length;
  }
}

/**
 * The name at `start` with its pointers followed, in wire form with its case. A pointer must lead backwards, so a loop
 * ends. `undefined` where it is malformed.
 */
export function readName(bytes: Buffer, start: number): string | undefined {
  let name = '';
  let at = start;
  let limit = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      if (at + 2 > bytes.length) return undefined;
      const target = word(bytes, at) & 0x3fff;
      if (target >= limit) return undefined;
      limit = target;
      at = target;
      continue;
    }
    if (length > 63 || at + 1 + length > bytes.length) return undefined;
    name += bytes.toString('latin1', at, at + 1 + length);
    if (name.length > maxNameBytes) return undefined;
    if (length === 0) return name;
    at += 1 + length;
  }
}

const scratch = Buffer.allocUnsafeSlow(maxNameBytes + 1);

/** Length bytes are at most 63 and 'A' is 65, so the whole name can be lowered at once. */
function lowerCase(bytes: Buffer, start: number, end: number): NameKey {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    scratch[i - start] = byte >= 65 && byte <= 90 ? byte | 32 : byte;
  }
  return scratch.toString('latin1', 0, end - start);
}

export function word(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
