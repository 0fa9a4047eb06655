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
  /** The n-th connection comes from the n-th of these. */
  readonly localPorts: readonly number[];
  /** What is sent: once connected (TCP), or as the datagram. Nothing: a connection that is opened and closed. */
  readonly text?: string;
  readonly timeoutMs: number;
}

/** What it tells, a line of JSON each. Times of packets come from captures, not from here. */
export type ProbeReport =
  /** It waits for `resolve`, or for `send`. */
  | { readonly event: 'ready' }
  | { readonly event: 'resolved'; readonly address: string }
  /** One connection is over. `answer` is the beginning of what came back; `failure` is `ECONNREFUSED`, `ETIMEDOUT`, … */
  | { readonly event: 'ended'; readonly connected: boolean; readonly answer?: string; readonly failure?: string };

const MAX_ANSWER = 4096;
/** After its answer a server has this long to close its side. */
const CLOSE_LIMIT_MS = 250;

/**
 * Sends what a trace looks at. It runs in the sender's network namespace and does what lines on its standard input say:
 * `resolve` looks the name up, `send` makes one connection.
 */
async function main(order: ProbeOrder): Promise<void> {
  const ports = order.localPorts.values();
  let address = order.host;
  tell({ event: 'ready' });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'send') tell({ event: 'ended', ...(await sendOnce(order, address, ports.next().value ?? 0)) });
    else address = await resolve(order);
  }
}

function tell(report: ProbeReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

async function resolve({ host }: ProbeOrder): Promise<string> {
  try {
    const { address } = await lookup(host);
    tell({ event: 'resolved', address });
    return address;
  } catch (error) {
    tell({ event: 'ended', connected: false, failure: codeOf(error) });
    process.exit(1);
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

type Outcome = Omit<Extract<ProbeReport, { event: 'ended' }>, 'event'>;

async function sendOnce(order: ProbeOrder, address: string, localPort: number): Promise<Outcome> {
  if (!isIP(address)) return { connected: false, failure: 'ENOTFOUND' };
  return await (order.protocol === 'tcp' ? sendTcp(order, address, localPort) : sendUdp(order, address, localPort));
}

function sendTcp({ port, text, timeoutMs }: ProbeOrder, host: string, localPort: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localPort });
    let connected = false;
    let answer: string | undefined;
    let failure: string | undefined;
    const limit = setTimeout(() => {
      failure = 'ETIMEDOUT';
      socket.destroy();
    }, timeoutMs);
    socket.once('connect', () => {
      connected = true;
      if (text === undefined) socket.end();
      else socket.write(text);
    });
    socket.setEncoding('latin1').on('data', (more: string) => {
      if (answer === undefined) setTimeout(() => socket.destroy(), CLOSE_LIMIT_MS).unref();
      answer = ((answer ?? '') + more).slice(0, MAX_ANSWER);
    });
    socket.once('error', (error) => (failure = codeOf(error)));
    socket.once('close', () => {
      clearTimeout(limit);
      resolve({
        connected,
        ...(answer === undefined ? {} : { answer }),
        ...(failure === undefined ? {} : { failure }),
      });
    });
  });
}

function sendUdp(
  { port, text = 'knit trace', timeoutMs }: ProbeOrder,
  host: string,
  localPort: number,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (outcome: Outcome) => {
      clearTimeout(limit);
      socket.close(() => resolve(outcome));
    };
    const limit = setTimeout(() => end({ connected: false, failure: 'ETIMEDOUT' }), timeoutMs);
    socket.once('error', (error) => end({ connected: false, failure: codeOf(error) }));
    socket.once('message', (message) => end({ connected: true, answer: message.toString('latin1', 0, MAX_ANSWER) }));
    socket.bind(localPort, () => {
      // A connected socket hears of ICMP errors.
      socket.connect(port, host, () => socket.send(text));
    });
  });
}

await main(JSON.parse(process.argv[2] ?? '{}') as ProbeOrder);
