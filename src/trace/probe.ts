import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';

/** What the probe is asked to send; its one argument, as JSON. */
export interface ProbeOrder {
  readonly protocol: 'tcp' | 'udp';
  /** An address, or a name that is looked up as the place's own programs do. */
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
  /** What is sent: once connected (TCP), or as the datagram. Nothing: a connection that is opened and closed. */
  readonly text?: string;
  readonly timeoutMs: number;
}

/** What it tells, a line of JSON each. Times of packets come from captures, not from here. */
export type ProbeReport =
  | { readonly event: 'ready' }
  | { readonly event: 'resolved'; readonly address: string }
  | { readonly event: 'connected' }
  /** `text` is the beginning of what came back. */
  | { readonly event: 'answered'; readonly text: string }
  | { readonly event: 'ended' }
  /** `ECONNREFUSED`, `ETIMEDOUT`, `ENOTFOUND`, … */
  | { readonly event: 'failed'; readonly code: string };

const MAX_ANSWER = 4096;
/** After its answer a server has this long to close its side. */
const CLOSE_LIMIT_MS = 250;

/**
 * Sends what a trace looks at. It runs in the sender's network namespace, says that it is ready, and sends when it is
 * told to by a line on its standard input.
 */
async function main(order: ProbeOrder): Promise<void> {
  tell({ event: 'ready' });
  const input = createInterface({ input: process.stdin });
  await new Promise<void>((resolve) => {
    input.once('line', () => resolve());
    input.once('close', () => process.exit(0)); // who asked is gone
  });
  setTimeout(() => fail('ETIMEDOUT'), order.timeoutMs).unref();
  try {
    const address = isIP(order.host) ? order.host : await resolve(order.host);
    await (order.protocol === 'tcp' ? sendTcp(order, address) : sendUdp(order, address));
    tell({ event: 'ended' });
    process.exit(0);
  } catch (error) {
    fail((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

function tell(report: ProbeReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function fail(code: string): never {
  tell({ event: 'failed', code });
  process.exit(1);
}

async function resolve(name: string): Promise<string> {
  const { address } = await lookup(name);
  tell({ event: 'resolved', address });
  return address;
}

function sendTcp({ port, localPort, text }: ProbeOrder, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localPort });
    let answer = '';
    socket.once('connect', () => {
      tell({ event: 'connected' });
      if (text === undefined) socket.end();
      else socket.write(text);
    });
    socket.setEncoding('latin1').on('data', (more: string) => {
      if (answer === '') setTimeout(() => socket.destroy(), CLOSE_LIMIT_MS);
      answer = (answer + more).slice(0, MAX_ANSWER);
    });
    socket.once('error', reject);
    socket.once('close', () => {
      if (answer !== '') tell({ event: 'answered', text: answer });
      resolve();
    });
  });
}

function sendUdp({ port, localPort, text = 'knit trace' }: ProbeOrder, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.once('message', (message) => {
      tell({ event: 'answered', text: message.toString('latin1', 0, MAX_ANSWER) });
      socket.close(() => resolve());
    });
    socket.bind(localPort, () => {
      // A connected socket hears of ICMP errors.
      socket.connect(port, host, () => socket.send(text));
    });
  });
}

await main(JSON.parse(process.argv[2] ?? '{}') as ProbeOrder);
