import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';

/** What the probe is asked to send; its one argument, as JSON. */
export interface ProbeOrder {
  readonly protocol: 'tcp' | 'udp';
  /** An address, or a name that is looked up as the place's own programs do. */
  readonly host: string;
  /** Of the address that is looked up. Default: whichever comes first. */
  readonly family?: 'ipv4' | 'ipv6';
  readonly port: number;
  /** The n-th connection comes from the n-th of these. */
  readonly localPorts: readonly number[];
  /** What is sent: once connected (TCP), or as the datagram. Nothing: a connection that is opened and closed. */
  readonly text?: string;
  /** TCP only: speak TLS, and ask for the server of this name. No certificate is refused. */
  readonly tls?: { readonly name?: string };
  readonly timeoutMs: number;
}

/** What a TLS handshake came to. */
export interface TlsOutcome {
  /** `TLSv1.3` */
  readonly version: string;
  /** Whom the server's certificate is for: its common name, or the first of its other names. */
  readonly certificate?: string;
  /** Why a client that checks would refuse it: `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_TLS_CERT_ALTNAME_INVALID`, … */
  readonly refusal?: string;
}

/** What it tells, a line of JSON each. Times of packets come from captures, not from here. */
export type ProbeReport =
  /** It waits for `resolve`, or for `send`. */
  | { readonly event: 'ready' }
  | { readonly event: 'resolved'; readonly address: string }
  /** One connection is over. `answer` is the beginning of what came back; `failure` is `ECONNREFUSED`, `ETIMEDOUT`, … */
  | {
      readonly event: 'ended';
      readonly connected: boolean;
      readonly answer?: string;
      readonly failure?: string;
      readonly tls?: TlsOutcome;
    };

const MAX_ANSWER = 4096;
/** After the last that it says a server has this long to say more, or to close its side. */
const CLOSE_LIMIT_MS = 1000;

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

async function resolve({ host, family }: ProbeOrder): Promise<string> {
  try {
    const { address } = await lookup(host, { family: family === undefined ? 0 : family === 'ipv6' ? 6 : 4 });
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

function sendTcp({ port, text, tls, timeoutMs }: ProbeOrder, host: string, localPort: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const to = { host, port, localPort };
    const socket = tls ? connectTls({ ...to, ...tlsOptions(host, tls.name) }) : connect(to);
    const outcome: { -readonly [Key in keyof Outcome]: Outcome[Key] } = { connected: false };
    const limit = setTimeout(() => {
      outcome.failure = 'ETIMEDOUT';
      socket.destroy();
    }, timeoutMs);
    let quiet: NodeJS.Timeout | undefined;
    const say = () => (text === undefined ? socket.end() : socket.write(text));
    socket.once('connect', () => {
      outcome.connected = true;
      if (!tls) say();
    });
    socket.once('secureConnect', () => {
      outcome.tls = tlsOutcome(socket as TLSSocket);
      say();
    });
    socket.setEncoding('latin1').on('data', (more: string) => {
      quiet ??= setTimeout(() => socket.destroy(), CLOSE_LIMIT_MS).unref();
      quiet.refresh();
      outcome.answer = ((outcome.answer ?? '') + more).slice(0, MAX_ANSWER);
    });
    socket.once('error', (error) => (outcome.failure = codeOf(error)));
    socket.once('close', () => {
      clearTimeout(limit);
      resolve(outcome);
    });
  });
}

const tlsOptions = (host: string, name = host): ConnectionOptions => ({
  rejectUnauthorized: false,
  ALPNProtocols: ['http/1.1'],
  ...(isIP(name) ? {} : { servername: name }),
});

function tlsOutcome(socket: TLSSocket): TlsOutcome {
  const { subject, subjectaltname } = socket.getPeerCertificate();
  const certificate = [subject?.CN].flat()[0] ?? subjectaltname?.split(', ')[0];
  // An error's code, whatever its type says.
  const refusal: unknown = socket.authorizationError;
  return {
    version: socket.getProtocol() ?? 'TLS',
    ...(certificate === undefined ? {} : { certificate }),
    ...(refusal ? { refusal: String(refusal) } : {}),
  };
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
