import { createSocket } from 'node:dgram';

/** A name server that knows a few A records and counts what it is asked (RFC 1035 §4.1). */
export interface TestDnsServer {
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** Listens on UDP port 53 of `address`. Names that it does not know do not exist. */
export async function startDnsServer(
  address: string,
  records: Readonly<Record<string, string>>,
): Promise<TestDnsServer> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, end } = readName(query, 12);
    asked.push(name);
    socket.send(answer(query, end, records[name.toLowerCase()]), from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(53, address, resolve);
  });
  return { asked, stop: () => new Promise((resolve) => socket.close(() => resolve())) };
}

function readName(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

/** Header and question as they came; an answer where the name is known and an A record was asked for. */
function answer(query: Buffer, endOfName: number, address: string | undefined): Buffer {
  const wantsA = query.readUInt16BE(endOfName) === 1;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(address ? 0x8180 : 0x8183, 2); // a response, recursion available; NXDOMAIN
  header.writeUInt16BE(address && wantsA ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  const question = query.subarray(12, endOfName + 4);
  if (!address || !wantsA) return Buffer.concat([header, question]);
  // A pointer to the question's name, type A, class IN, 30 s, 4 bytes.
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, question, record]);
}
