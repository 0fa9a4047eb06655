import { Class, ednsUdpBytes, Flag, headerBytes, plainUdpBytes, type Query, Type } from './message.ts';
import type { NameKey, WireText } from './names.ts';

/** Largest message there is: TCP's length prefix has 16 bits. */
const maxBytes = 65_535;
const optBytes = 11;

export type Protocol = 'udp' | 'tcp';

/** How many bytes an answer to this query may have. */
export function answerLimit(query: Query, protocol: Protocol): number {
  if (protocol === 'tcp') return maxBytes;
  if (!query.edns) return plainUdpBytes;
  return Math.min(Math.max(query.edns.udpBytes, plainUdpBytes), ednsUdpBytes);
}

/**
 * Builds one answer at a time in a buffer of its own: begin, records in the order answer, authority, additional,
 * finish. Names are compressed against the question, which is where nearly all of them repeat.
 */
export class ResponseWriter {
  readonly #bytes = Buffer.allocUnsafeSlow(maxBytes);
  #at = 0;
  #limit = maxBytes;
  #query: Query | undefined;
  #flags = 0;
  #answers = 0;
  #authorities = 0;
  #additionals = 0;
  #truncated = false;

  begin(query: Query, limit: number): void {
    this.#query = query;
    query.bytes.copy(this.#bytes, 0, 0, query.questionEnd);
    this.#at = query.questionEnd;
    this.#limit = limit - (query.edns ? optBytes : 0);
    this.#flags = Flag.QR | (query.flags & (Flag.RD | Flag.CD));
    this.#answers = this.#authorities = this.#additionals = 0;
    this.#truncated = false;
  }

  flag(flag: number): void {
    this.#flags |= flag;
  }

  /** Where the next record will stand, for {@link additional} to point to. */
  get position(): number {
    return this.#at;
  }

  /** Returns false, and marks the answer as truncated, where the record does not fit. */
  answer(owner: NameKey, type: number, ttl: number, data: WireText): boolean {
    if (this.#truncated || !this.#record(this.#ownerOffset(owner), owner, type, ttl, data)) {
      this.#truncated = true;
      return false;
    }
    this.#answers++;
    return true;
  }

  authority(owner: NameKey, type: number, ttl: number, data: WireText): void {
    if (this.#record(this.#ownerOffset(owner), owner, type, ttl, data)) this.#authorities++;
  }

  /** A record whose owner's name stands at `ownerAt` already. Left out where there is no room for it. */
  additional(ownerAt: number, type: number, ttl: number, data: WireText): void {
    if (!this.#truncated && ownerAt < 0x4000 && this.#record(ownerAt, '', type, ttl, data)) this.#additionals++;
  }

  /** The answer, in a buffer that stays as it is. */
  finish(rcode: number): Buffer {
    const query = this.#query as Query;
    const bytes = this.#bytes;
    if (query.edns) this.#opt(rcode, query.edns.dnssec);
    bytes.writeUInt16BE(this.#flags | (this.#truncated ? Flag.TC : 0) | (rcode & 15), 2);
    bytes.writeUInt16BE(1, 4);
    bytes.writeUInt16BE(this.#answers, 6);
    bytes.writeUInt16BE(this.#authorities, 8);
    bytes.writeUInt16BE(this.#additionals, 10);
    const answer = Buffer.allocUnsafe(this.#at);
    bytes.copy(answer, 0, 0, this.#at);
    return answer;
  }

  #record(ownerAt: number, owner: NameKey, type: number, ttl: number, data: WireText): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    const ownerBytes = ownerAt >= 0 ? 2 : owner.length;
    if (at + ownerBytes + 10 + data.length > this.#limit) return false;
    if (ownerAt >= 0) bytes.writeUInt16BE(0xc000 | ownerAt, at);
    else writeText(bytes, at, owner);
    at += ownerBytes;
    bytes.writeUInt16BE(type, at);
    bytes.writeUInt16BE(Class.IN, at + 2);
    bytes.writeUInt32BE(ttl, at + 4);
    bytes.writeUInt16BE(data.length, at + 8);
    writeText(bytes, at + 10, data);
    this.#at = at + 10 + data.length;
    return true;
  }

  /** Where the question holds this name, or -1. */
  #ownerOffset(owner: NameKey): number {
    const asked = (this.#query as Query).name;
    if (owner === asked) return headerBytes;
    return owner.length > 1 && asked.endsWith(owner) ? headerBytes + asked.length - owner.length : -1;
  }

  #opt(rcode: number, dnssec: boolean): void {
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = 0;
    bytes.writeUInt16BE(Type.OPT, at + 1);
    bytes.writeUInt16BE(ednsUdpBytes, at + 3);
    bytes[at + 5] = rcode >> 4;
    bytes[at + 6] = 0;
    bytes.writeUInt16BE(dnssec ? 0x8000 : 0, at + 7);
    bytes.writeUInt16BE(0, at + 9);
    this.#at = at + optBytes;
    this.#additionals++;
  }
}

/** For the few bytes of most records a loop is cheaper than the call into native code. */
function writeText(bytes: Buffer, at: number, text: WireText): void {
  if (text.length > 24) bytes.write(text, at, 'latin1');
  else for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

/** An answer to a message whose question can't be read: its header with the code, and no question. */
export function bareError(message: Buffer, rcode: number): Buffer {
  const answer = Buffer.alloc(headerBytes);
  message.copy(answer, 0, 0, 4);
  const flags = answer.readUInt16BE(2);
  answer.writeUInt16BE(Flag.QR | (flags & (0x7800 | Flag.RD)) | rcode, 2);
  return answer;
}

/** A question of our own, for upstreams: recursion desired, EDNS0. */
export function buildQuery(id: number, name: NameKey, type: number, dnssec: boolean): Buffer {
  const bytes = Buffer.alloc(headerBytes + name.length + 4 + optBytes);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(Flag.RD, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(1, 10);
  let at = headerBytes + bytes.write(name, headerBytes, 'latin1');
  bytes.writeUInt16BE(type, at);
  bytes.writeUInt16BE(Class.IN, at + 2);
  at += 4;
  bytes.writeUInt16BE(Type.OPT, at + 1);
  bytes.writeUInt16BE(ednsUdpBytes, at + 3);
  bytes.writeUInt16BE(dnssec ? 0x8000 : 0, at + 7);
  return bytes;
}
