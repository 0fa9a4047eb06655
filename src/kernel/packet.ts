import { SocketAddress } from 'node:net';

/** A packet as it was on an interface. Addresses are spelled as the kernel prints them. */
export interface IpPacket {
  readonly family: 'ipv4' | 'ipv6';
  readonly source: string;
  readonly destination: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'other';
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Hop limit in IPv6. */
  readonly ttl: number;
  /** IPv4 only. */
  readonly id?: number;
  /** Of the whole packet, in bytes. */
  readonly length: number;
  readonly tcp?: TcpFields;
  readonly icmp?: IcmpFields;
  /** What is after the transport's header, as far as it was captured. */
  readonly payload: Buffer;
}

export interface TcpFields {
  readonly sequence: number;
  readonly acknowledgment: number;
  /** `S`, `SA`, `A`, `PA`, `FA`, `R` …: the letters of FIN, SYN, RST, PSH, ACK, URG. */
  readonly flags: string;
  readonly payloadLength: number;
}

export interface IcmpFields {
  readonly type: number;
  readonly code: number;
  /** Of echo requests and replies. */
  readonly id?: number;
  readonly sequence?: number;
  /** The packet that an error is about. */
  readonly about?: IpPacket;
  /** Of "fragmentation needed" and "packet too big". */
  readonly mtu?: number;
}

const PROTOCOLS: Readonly<Record<number, IpPacket['protocol']>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' };
const FLAGS = ['F', 'S', 'R', 'P', 'A', 'U'] as const;
/** Letters in the order in which people say them: SYN ACK is `SA`. */
const FLAG_ORDER = 'SFRPAU';

/** Reads an IPv4 or IPv6 packet (RFC 791, 8200, 9293, 768, 792, 4443); `undefined` for what is none, or cut short. */
export function parsePacket(bytes: Buffer): IpPacket | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return parseIPv4(bytes);
  return version === 6 ? parseIPv6(bytes) : undefined;
}

function parseIPv4(bytes: Buffer): IpPacket | undefined {
  const header = ((bytes[0] ?? 0) & 15) * 4;
  if (bytes.length < Math.max(header, 20)) return undefined;
  const laterFragment = (bytes.readUInt16BE(6) & 0x1fff) > 0;
  const base = {
    family: 'ipv4' as const,
    source: bytes.subarray(12, 16).join('.'),
    destination: bytes.subarray(16, 20).join('.'),
    protocol: PROTOCOLS[bytes[9] ?? 0] ?? 'other',
    ttl: bytes[8] ?? 0,
    id: bytes.readUInt16BE(4),
    length: bytes.readUInt16BE(2),
  };
  const rest = bytes.subarray(header, Math.max(header, base.length));
  return laterFragment ? { ...base, payload: rest } : withTransport(base, rest, base.length - header);
}

function parseIPv6(bytes: Buffer): IpPacket | undefined {
  if (bytes.length < 40) return undefined;
  const payloadLength = bytes.readUInt16BE(4);
  const base = {
    family: 'ipv6' as const,
    source: ipv6Text(bytes.subarray(8, 24)),
    destination: ipv6Text(bytes.subarray(24, 40)),
    protocol: PROTOCOLS[bytes[6] ?? 0] ?? 'other',
    ttl: bytes[7] ?? 0,
    length: 40 + payloadLength,
  };
  return withTransport(base, bytes.subarray(40, 40 + payloadLength), payloadLength);
}

type Base = Omit<IpPacket, 'payload'>;

/** `length` is what was on the wire, `bytes` what was captured of it. */
function withTransport(base: Base, bytes: Buffer, length: number): IpPacket {
  if (base.protocol === 'tcp' && bytes.length >= 20) return withTcp(base, bytes, length);
  if (base.protocol === 'udp' && bytes.length >= 8) return { ...base, ...ports(bytes), payload: bytes.subarray(8) };
  if (base.protocol === 'icmp' && bytes.length >= 8) {
    return { ...base, icmp: icmpOf(base.family, bytes), payload: bytes.subarray(8) };
  }
  // Errors carry only the first eight bytes of a TCP segment: its ports are what matters there.
  return { ...base, ...(base.protocol === 'tcp' && bytes.length >= 4 ? ports(bytes) : {}), payload: bytes };
}

function ports(bytes: Buffer): { sourcePort: number; destinationPort: number } {
  return { sourcePort: bytes.readUInt16BE(0), destinationPort: bytes.readUInt16BE(2) };
}

function withTcp(base: Base, bytes: Buffer, length: number): IpPacket {
  const header = ((bytes[12] ?? 0) >> 4) * 4;
  const bits = bytes[13] ?? 0;
  const letters = FLAGS.filter((_, bit) => bits & (1 << bit));
  const tcp: TcpFields = {
    sequence: bytes.readUInt32BE(4),
    acknowledgment: bytes.readUInt32BE(8),
    flags: letters.sort((a, b) => FLAG_ORDER.indexOf(a) - FLAG_ORDER.indexOf(b)).join(''),
    payloadLength: length - header,
  };
  return { ...base, ...ports(bytes), tcp, payload: bytes.subarray(header) };
}

const ECHO = { ipv4: [8, 0], ipv6: [128, 129] } as const;
const ERRORS = { ipv4: [3, 11, 12], ipv6: [1, 2, 3, 4] } as const;

function icmpOf(family: IpPacket['family'], bytes: Buffer): IcmpFields {
  const [type = 0, code = 0] = bytes;
  const isAny = (types: readonly number[]) => types.includes(type);
  if (isAny(ECHO[family])) return { type, code, id: bytes.readUInt16BE(4), sequence: bytes.readUInt16BE(6) };
  if (!isAny(ERRORS[family])) return { type, code };
  const mtu = family === 'ipv4' ? bytes.readUInt16BE(6) : bytes.readUInt32BE(4);
  const tooBig = family === 'ipv4' ? type === 3 && code === 4 : type === 2;
  return { type, code, about: parsePacket(bytes.subarray(8)), ...(tooBig ? { mtu } : {}) };
}

/** UDP port of VXLAN (RFC 7348 §5). */
export const VXLAN_PORT = 4789;
/** The flag that says that there is a network's number, as it always is. */
const HAS_VNI = 0x08;
const VXLAN_HEADER = 8;
const ETHERNET_HEADER = 14;

/** The packet that a VXLAN packet carries, and of which network; `undefined` for what is none (RFC 7348 §5). */
export function parseVxlan({
  protocol,
  destinationPort,
  payload,
}: IpPacket): { readonly vni: number; readonly inner: IpPacket } | undefined {
  if (protocol !== 'udp' || destinationPort !== VXLAN_PORT || payload[0] !== HAS_VNI) return undefined;
  const inner = parsePacket(payload.subarray(VXLAN_HEADER + ETHERNET_HEADER));
  return inner && { vni: payload.readUIntBE(4, 3), inner };
}

/** Sixteen bytes as the kernel prints them. */
export function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
