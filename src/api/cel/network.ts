import { isIP } from 'node:net';
import type { Environment } from '@marcbachmann/cel-js';
import { contains, parseCIDR } from '../../base/cidr.ts';
import { canonicalAddress, canonicalPrefix } from '../../base/prefixes.ts';
import { addFunctions, addLibrary } from './environment.ts';

class CelIP {
  /** In its canonical form. */
  readonly text: string;

  constructor(text: string) {
    const canonical = isAddress(text) ? canonicalAddress(text) : undefined;
    if (canonical === undefined) throw new Error(`IP Address ${JSON.stringify(text)} parse error`);
    this.text = canonical;
  }

  equals(other: unknown): boolean {
    return other instanceof CelIP && other.text === this.text;
  }
}

class CelCIDR {
  readonly address: string;
  readonly bits: number;

  constructor(text: string) {
    if (!isCIDR(text)) throw new Error(`network address parse error during conversion from string: ${text}`);
    const [address = '', bits] = text.split('/');
    this.address = new CelIP(address).text;
    this.bits = Number(bits);
  }

  get text(): string {
    return `${this.address}/${this.bits}`;
  }

  /** Without bits after the prefix. */
  get masked(): string {
    const prefix = canonicalPrefix(this.text) ?? this.text;
    return prefix.includes('/') ? prefix : `${prefix}/${this.bits}`;
  }

  equals(other: unknown): boolean {
    return other instanceof CelCIDR && other.text === this.text;
  }
}

/** Addresses with zones, and IPv4 ones in IPv6 form, are none (Kubernetes' library). */
const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%') && !/^::ffff:/i.test(text);

function isCIDR(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const width = isIP(address) === 4 ? 32 : 128;
  return rest.length === 0 && isAddress(address) && /^\d{1,3}$/.test(bits) && Number(bits) <= width;
}

const holds = (cidr: CelCIDR, address: string): boolean =>
  isIP(address) === isIP(cidr.address) && contains(parseCIDR(cidr.masked), address);
const holdsAll = (outer: CelCIDR, inner: CelCIDR): boolean => inner.bits >= outer.bits && holds(outer, inner.address);
const within = (address: string, ranges: readonly string[]): boolean =>
  ranges.some((range) => holds(new CelCIDR(range), address));

const loopback = ['127.0.0.0/8', '::1/128'];
const linkLocalMulticast = ['224.0.0.0/24', 'ff02::/16'];
const linkLocalUnicast = ['169.254.0.0/16', 'fe80::/10'];
const multicast = ['224.0.0.0/4', 'ff00::/8'];
const unspecified = ['0.0.0.0', '::'];

/** Kubernetes' libraries of addresses and networks. */
export function addNetwork(env: Environment): void {
  env.registerType('net.IP', CelIP);
  env.registerType('net.CIDR', CelCIDR);
  env.registerOperator('net.IP == net.IP', (a: CelIP, b: CelIP) => a.equals(b));
  env.registerOperator('net.CIDR == net.CIDR', (a: CelCIDR, b: CelCIDR) => a.equals(b));
  addLibrary(env, 'ip', {
    'isCanonical(string): bool': (text: string) => new CelIP(text).text === text,
  });
  addFunctions(env, {
    'ip(string): net.IP': (text: string) => new CelIP(text),
    'isIP(string): bool': isAddress,
    'string(net.IP): string': ({ text }: CelIP) => text,
    'net.IP.family(): int': ({ text }: CelIP) => BigInt(isIP(text)),
    'net.IP.isUnspecified(): bool': ({ text }: CelIP) => unspecified.includes(text),
    'net.IP.isLoopback(): bool': ({ text }: CelIP) => within(text, loopback),
    'net.IP.isLinkLocalMulticast(): bool': ({ text }: CelIP) => within(text, linkLocalMulticast),
    'net.IP.isLinkLocalUnicast(): bool': ({ text }: CelIP) => within(text, linkLocalUnicast),
    'net.IP.isGlobalUnicast(): bool': ({ text }: CelIP) =>
      !unspecified.includes(text) &&
      text !== '255.255.255.255' &&
      !within(text, [...loopback, ...multicast, ...linkLocalUnicast]),
    'cidr(string): net.CIDR': (text: string) => new CelCIDR(text),
    'isCIDR(string): bool': isCIDR,
    'string(net.CIDR): string': ({ text }: CelCIDR) => text,
    'net.CIDR.containsIP(string): bool': (cidr: CelCIDR, text: string) => holds(cidr, new CelIP(text).text),
    'net.CIDR.containsIP(net.IP): bool': (cidr: CelCIDR, { text }: CelIP) => holds(cidr, text),
    'net.CIDR.containsCIDR(string): bool': (outer: CelCIDR, inner: string) => holdsAll(outer, new CelCIDR(inner)),
    'net.CIDR.containsCIDR(net.CIDR): bool': holdsAll,
    'net.CIDR.ip(): net.IP': ({ address }: CelCIDR) => new CelIP(address),
    'net.CIDR.prefixLength(): int': ({ bits }: CelCIDR) => BigInt(bits),
    'net.CIDR.masked(): net.CIDR': (cidr: CelCIDR) => new CelCIDR(cidr.masked),
  });
}
