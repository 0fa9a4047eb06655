import { isIPv6 } from 'node:net';
import type { Family, PlannedEndpoint, Protocol } from '../plan.ts';

/**
 * Pieces of rules, in the words and the order in which iptables-save prints them, so that what is written compares
 * with what is read back. Addresses and the protocol come first, then the matches as given, then the target.
 */

/** iptables takes 256 bytes with the end; namespace, name and port reach 143. */
export function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}

/** An address, or a network, with its length. */
export function prefix(text: string): string {
  return text.includes('/') ? text : `${text}/${isIPv6(text) ? 128 : 32}`;
}

/** Packets to one address and port: what stands before and after the comment. */
export function to(address: string | undefined, protocol: Protocol, port: number, said: string, more = ''): string {
  const destination = address === undefined ? '' : `-d ${prefix(address)} `;
  return `${destination}-p ${protocol} ${comment(said)} ${more}-m ${protocol} --dport ${port}`;
}

/** TCP is reset, since an ICMP error is rate-limited and makes some clients wait; kube-proxy sends the error. */
export function reject(protocol: Protocol, family: Family): string {
  const unreachable = family === 'ipv6' ? 'icmp6-port-unreachable' : 'icmp-port-unreachable';
  return `-j REJECT --reject-with ${protocol === 'tcp' ? 'tcp-reset' : unreachable}`;
}

export function endpointText({ address, port }: Pick<PlannedEndpoint, 'address' | 'port'>): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

const PROBABILITY_UNITS = 2 ** 31;

/** The kernel keeps a probability in 31 bits; said as it prints that. */
export function oneOf(count: number): string {
  const kept = Math.round(PROBABILITY_UNITS / count) / PROBABILITY_UNITS;
  return `-m statistic --mode random --probability ${kept.toFixed(11)}`;
}

/** What every `recent` match ends with: one list a chain, by the client's whole address. */
export function recentList(name: string, family: Family): string {
  const mask = family === 'ipv6' ? Array.from({ length: 8 }, () => 'ffff').join(':') : '255.255.255.255';
  return `--name ${name} --mask ${mask} --rsource`;
}
