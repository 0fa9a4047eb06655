import { BlockList, isIPv6 } from 'node:net';

/** Addresses and prefixes without those that another one contains: interval sets refuse overlaps. Sorted by width. */
export function withoutContained(prefixes: readonly string[]): string[] {
  const kept: string[] = [];
  const covered = new BlockList();
  const parsed = [...new Set(prefixes)].map((text) => {
    const [address = '', length] = text.split('/');
    const type = isIPv6(address) ? ('ipv6' as const) : ('ipv4' as const);
    const full = type === 'ipv6' ? 128 : 32;
    return { address, type, full, bits: length === undefined ? full : Number(length) };
  });
  for (const { address, type, full, bits } of parsed.sort((a, b) => a.bits - b.bits)) {
    if (covered.check(address, type)) continue;
    covered.addSubnet(address, bits, type);
    kept.push(bits === full ? address : `${address}/${bits}`);
  }
  return kept;
}
