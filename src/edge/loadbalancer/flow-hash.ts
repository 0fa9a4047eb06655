import { familyOf, groupsOf } from '../../base/cidr.ts';
import { bucketCount } from './plan.ts';
import { SEED } from './ruleset.ts';

/** Whose bucket is asked for: a connection's first packet. */
export interface HashedFlow {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** The bucket that the kernel's rules (`ruleset.ts`) find for a connection, by its flow or by its client alone. */
export function bucketOf(flow: HashedFlow, by: 'flow' | 'client'): number {
  const client = addressBytes(flow.source);
  const whole = [client, addressBytes(flow.destination), portBytes(flow.sourcePort), portBytes(flow.destinationPort)];
  const hash = jhash(Buffer.concat(by === 'client' ? [client] : whole), SEED);
  // nftables scales the hash to the modulus (reciprocal_scale), it does not divide.
  return Math.floor((hash * bucketCount) / 2 ** 32);
}

function addressBytes(address: string): Buffer {
  if (familyOf(address) === 'ipv4') return Buffer.from(address.split('.').map(Number));
  return Buffer.from(groupsOf(address).flatMap((group) => [group >> 8, group & 0xff]));
}

/** Registers are of 32 bits: a port is followed by zeros. */
const portBytes = (port: number) => Buffer.from([port >> 8, port & 0xff, 0, 0]);

const INIT = 0xdeadbeef;
const rotate = (word: number, bits: number) => (word << bits) | (word >>> (32 - bits));

/** Jenkins' hash as the kernel has it (include/linux/jhash.h), on a little-endian machine; of whole 32-bit words. */
export function jhash(key: Buffer, seed: number): number {
  const start = (INIT + key.length + seed) | 0;
  let [a, b, c] = [start, start, start];
  const word = (at: number) => (at + 4 <= key.length ? key.readUInt32LE(at) : 0);
  let at = 0;
  for (; key.length - at > 12; at += 12) {
    a = (a + word(at)) | 0;
    b = (b + word(at + 4)) | 0;
    c = (c + word(at + 8)) | 0;
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (key.length === at) return c >>> 0;
  a = (a + word(at)) | 0;
  b = (b + word(at + 4)) | 0;
  c = (c + word(at + 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}
