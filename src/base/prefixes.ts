import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net';
import { groupsOf } from './cidr.ts';

/** The one spelling of an address that the kernel prints; `undefined` for what is none. */
export function canonicalAddress(text: string): string | undefined {
  const family = isIP(text);
  if (family === 0) return undefined;
  return family === 4 ? text : new SocketAddress({ address: text, family: 'ipv6' }).address;
}

/** An address or network of either family as the kernel prints it: without bits after the prefix, `/32` left out. */
export function canonicalPrefix(text: string): string | undefined {
  const [host = '', length] = text.split('/');
  const address = canonicalAddress(host);
  if (address === undefined) return undefined;
  const full = isIPv6(address) ? 128 : 32;
  const bits = length === undefined ? full : Number(length);
  if (length === '' || !Number.isInteger(bits) || bits < 0 || bits > full) return undefined;
  if (bits === full) return address;
  const groups = full === 32 ? address.split('.').map(Number) : groupsOf(address);
  const width = full === 32 ? 8 : 16;
  const masked = groups.map((group, index) => {
    const kept = Math.min(Math.max(bits - index * width, 0), width);
    return group - (group % 2 ** (width - kept));
  });
  const base = full === 32 ? masked.join('.') : canonicalAddress(masked.map((group) => group.toString(16)).join(':'));
  return `${base}/${bits}`;
}

/** Addresses and networks without those that another one contains: interval sets refuse overlaps. Widest first. */
export function withoutContained(prefixes: readonly string[]): string[] {
  const kept: string[] = [];
  const covered = new BlockList();
  const parsed = [...new Set(prefixes.map(canonicalPrefix))].flatMap((text) => {
    if (text === undefined) return [];
    const [address = '', length] = text.split('/');
    const type = isIPv6(address) ? ('ipv6' as const) : ('ipv4' as const);
    return [{ text, address, type, bits: Number(length ?? (type === 'ipv6' ? 128 : 32)) }];
  });
  for (const { text, address, type, bits } of parsed.sort((a, b) => a.bits - b.bits)) {
    if (covered.check(address, type)) continue;
    covered.addSubnet(address, bits, type);
    kept.push(text);
  }
  return kept;
}
