/**
 * A domain name as the zone and the cache know it: its wire form in lower case (length-prefixed labels and the root's
 * zero byte), one character a byte. Comparing these compares names exactly, dots inside labels included, and a
 * question needs no decoding.
 */
export type NameKey = string;

/** Bytes as they go on the wire, one character each: a fifth of the memory of a `Buffer` for what a record holds. */
export type WireText = string;

export const rootKey: NameKey = '\0';

/** Longest name and longest label on the wire (RFC 1035 §2.3.4). */
export const maxNameBytes = 255;
const maxLabelBytes = 63;

/** The key of a dotted name, with or without its last dot; `undefined` where it can't be a name. */
export function nameKey(name: string): NameKey | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (bare === '') return rootKey;
  let key = '';
  for (const label of bare.toLowerCase().split('.')) {
    if (label.length === 0 || label.length > maxLabelBytes || !isBytes(label)) return undefined;
    key += String.fromCharCode(label.length) + label;
  }
  return key.length + 1 > maxNameBytes ? undefined : `${key}\0`;
}

/** {@link nameKey} of a name that is right by construction. */
export function knownNameKey(name: string): NameKey {
  const key = nameKey(name);
  if (key === undefined) throw new RangeError(`not a domain name: ${name}`);
  return key;
}

/** The dotted name, for people. */
export function nameText(key: NameKey): string {
  return labelsOf(key).join('.');
}

export function labelsOf(key: NameKey): string[] {
  const labels: string[] = [];
  for (let at = 0; ; ) {
    const length = key.charCodeAt(at);
    if (!length) return labels;
    labels.push(key.slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The name without its first label; `undefined` above the root. */
export function parentKey(key: NameKey): NameKey | undefined {
  const length = key.charCodeAt(0);
  return length ? key.slice(1 + length) : undefined;
}

/** Whether `name` is `zone` or below it. */
export function isWithin(name: NameKey, zone: NameKey): boolean {
  if (!name.endsWith(zone)) return false;
  const start = name.length - zone.length;
  let at = 0;
  while (at < start) at += 1 + name.charCodeAt(at);
  return at === start;
}

/** The name that a PTR question about an address asks: `1.0.96.10.in-addr.arpa`, or nibbles under `ip6.arpa`. */
export function reverseKey(address: string): NameKey | undefined {
  if (!address.includes(':')) {
    const parts = address.split('.');
    return parts.length === 4 ? nameKey(`${parts.reverse().join('.')}.in-addr.arpa`) : undefined;
  }
  const bytes = ipv6Bytes(address);
  if (!bytes) return undefined;
  const nibbles = [...bytes.toString('hex')].reverse().join('.');
  return nameKey(`${nibbles}.ip6.arpa`);
}

/** 4 or 16 bytes of an address; `undefined` where it is none. */
export function addressData(address: string): WireText | undefined {
  return (address.includes(':') ? ipv6Bytes(address) : ipv4Bytes(address))?.toString('latin1');
}

function ipv4Bytes(address: string): Buffer | undefined {
  const parts = address.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = Buffer.allocUnsafe(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] ?? '';
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

function ipv6Bytes(address: string): Buffer | undefined {
  const [head = '', tail, rest] = address.split('::');
  if (rest !== undefined) return undefined;
  const before = ipv6Groups(head);
  const after = tail === undefined ? [] : ipv6Groups(tail);
  if (!before || !after) return undefined;
  const gap = 8 - before.length - after.length;
  if (tail === undefined ? gap !== 0 : gap < 1) return undefined;
  const bytes = Buffer.alloc(16);
  [...before, ...new Array<number>(gap).fill(0), ...after].forEach((group, index) => {
    bytes.writeUInt16BE(group, index * 2);
  });
  return bytes;
}

function ipv6Groups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  for (const part of text.split(':')) {
    if (part.includes('.')) {
      const v4 = ipv4Bytes(part);
      if (!v4) return undefined;
      groups.push(v4.readUInt16BE(0), v4.readUInt16BE(2));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function isBytes(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
