import { createHash } from 'node:crypto';

/** The names that kube-proxy gives its chains, so that every tutorial and tool that knows them can read ours. */
export const SERVICES = 'KUBE-SERVICES';
export const EXTERNAL_SERVICES = 'KUBE-EXTERNAL-SERVICES';
export const NODEPORTS = 'KUBE-NODEPORTS';
export const POSTROUTING = 'KUBE-POSTROUTING';
export const MARK_MASQ = 'KUBE-MARK-MASQ';
export const FORWARD = 'KUBE-FORWARD';
export const FIREWALL = 'KUBE-PROXY-FIREWALL';
/** Of kubelet's former host port manager, as CRI-O still has it; kube-proxy knows no host ports. */
export const HOSTPORTS = 'KUBE-HOSTPORTS';
/** Marks what comes from outside the pods, where one rule cannot say so: there are several cluster CIDRs. */
export const MARK_OUTSIDE = 'KUBE-MARK-OUTSIDE';

const SHARED: ReadonlySet<string> = new Set([
  SERVICES,
  EXTERNAL_SERVICES,
  NODEPORTS,
  POSTROUTING,
  MARK_MASQ,
  FORWARD,
  FIREWALL,
  HOSTPORTS,
  MARK_OUTSIDE,
]);

/**
 * `SVC` endpoints for policy Cluster, `SVL` for Local, `EXT` traffic to outside addresses, `FW` source ranges, `SEP`
 * one endpoint, `HP` a host port.
 */
export type ChainKind = 'SVC' | 'SVL' | 'EXT' | 'FW' | 'SEP' | 'HP';

const HASHED = /^KUBE-(?:SVC|SVL|EXT|FW|SEP|HP)-[A-Z2-7]{16}$/;

/** A chain that this back end, or a kube-proxy, made. kubelet's (`KUBE-FIREWALL`, `KUBE-KUBELET-CANARY`) are not. */
export function isOwnChain(chain: string): boolean {
  return SHARED.has(chain) || HASHED.test(chain);
}

/**
 * kube-proxy's hash: the first 16 letters of base32 of SHA-256 over `namespace/name:port`, the protocol, and for an
 * endpoint its address and port.
 */
export function chainName(kind: ChainKind, servicePort: string, protocol: string, endpoint = ''): string {
  const hash = createHash('sha256').update(servicePort + protocol + endpoint);
  return `KUBE-${kind}-${base32(hash.digest().subarray(0, 10))}`;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, of whole groups of five bytes. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31];
    }
  }
  return text;
}
