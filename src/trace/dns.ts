import { Flag, headerBytes, Rcode, readName, readRecord, skipName, Type, word } from '../dns/message.ts';
import { nameText } from '../dns/names.ts';
import { ipv6Text } from '../kernel/packet.ts';

/** A DNS message as it was on the wire, as far as a person asks. */
export interface DnsMessage {
  readonly id: number;
  readonly isAnswer: boolean;
  /** `web.shop.svc.cluster.local.` */
  readonly name: string;
  /** `A`, `AAAA`, …, or its number. */
  readonly type: string;
  /** Of answers: addresses, or why there is none: `NXDOMAIN`. */
  readonly answer: string;
}

/** Reads the payload of a packet of port 53 (RFC 1035 §4.1); `undefined` where it is no message with a question. */
export function readDns(bytes: Buffer): DnsMessage | undefined {
  if (bytes.length < headerBytes || word(bytes, 4) !== 1) return undefined;
  const flags = word(bytes, 2);
  const key = readName(bytes, headerBytes);
  const at = skipName(bytes, headerBytes);
  if (key === undefined || at < 0 || at + 4 > bytes.length) return undefined;
  const isAnswer = (flags & Flag.QR) !== 0;
  return {
    id: word(bytes, 0),
    isAnswer,
    name: nameText(key),
    type: nameOfType(word(bytes, at)),
    answer: isAnswer ? answerOf(bytes, flags & 15, at + 4) : '',
  };
}

const nameOfType = (number: number) => Object.entries(Type).find(([, value]) => value === number)?.[0] ?? `${number}`;

function answerOf(bytes: Buffer, rcode: number, start: number): string {
  if (rcode !== Rcode.NOERROR)
    return Object.entries(Rcode).find(([, value]) => value === rcode)?.[0] ?? `code ${rcode}`;
  const found: string[] = [];
  let at = start;
  for (let left = word(bytes, 6); left > 0; left--) {
    const record = readRecord(bytes, at);
    if (!record) break;
    const data = bytes.subarray(record.dataAt, record.end);
    if (record.type === Type.A) found.push(data.join('.'));
    if (record.type === Type.AAAA) found.push(ipv6Text(data));
    at = record.end;
  }
  return found.join(', ') || 'no such record';
}
