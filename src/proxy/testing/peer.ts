/**
 * A process in a test's namespace that serves and connects on demand: one JSON command a line on standard input, one
 * answer a line on standard output. Its servers tell each client who they are and which address they see.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type PeerCommand =
  | { readonly op: 'serve'; readonly protocol: 'tcp' | 'udp'; readonly port: number }
  | {
      readonly op: 'tcp' | 'udp';
      readonly host: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly localPort?: number;
    }
  | { readonly op: 'open'; readonly host: string; readonly port: number; readonly timeoutMs: number }
  | { readonly op: 'say'; readonly connection: number; readonly timeoutMs: number };

export interface PeerAnswer {
  /** `NAME sees ADDRESS` of the server that answered. */
  readonly answer?: string;
  /** `ECONNREFUSED`, `EHOSTUNREACH`, `TIMEOUT` … */
  readonly error?: string;
  readonly ms: number;
  readonly connection?: number;
}

const name = process.argv[2] ?? '';
const connections: Socket[] = [];

function serve(protocol: 'tcp' | 'udp', port: number): Promise<PeerAnswer> {
  return new Promise((resolve) => {
    const listening = () => resolve({ ms: 0 });
    if (protocol === 'udp') {
      const socket = createSocket('udp4', (_message, from) => {
        socket.send(`${name} sees ${from.address}`, from.port, from.address);
      });
      socket.bind(port, listening);
      return;
    }
    createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.write(`${name} sees ${socket.remoteAddress?.replace('::ffff:', '')}\n`));
    }).listen(port, listening);
  });
}

function say(socket: Socket, timeoutMs: number): Promise<PeerAnswer> {
  const started = performance.now();
  return new Promise((resolve) => {
    const done = (part: Omit<PeerAnswer, 'ms'>) => {
      clearTimeout(timer);
      socket.removeAllListeners('data').removeAllListeners('error');
      socket.on('error', () => socket.destroy());
      resolve({ ...part, ms: performance.now() - started });
    };
    const timer = setTimeout(() => done({ error: 'TIMEOUT' }), timeoutMs);
    socket.once('error', (error: NodeJS.ErrnoException) => done({ error: error.code ?? error.message }));
    socket.once('data', (data) => done({ answer: data.toString().trim() }));
    socket.write('who?\n');
  });
}

async function askUdp(host: string, port: number, timeoutMs: number, localPort: number): Promise<PeerAnswer> {
  const started = performance.now();
  const socket = createSocket('udp4');
  return await new Promise<PeerAnswer>((resolve) => {
    const done = (part: Omit<PeerAnswer, 'ms'>) => {
      clearTimeout(timer);
      socket.close();
      resolve({ ...part, ms: performance.now() - started });
    };
    const timer = setTimeout(() => done({ error: 'TIMEOUT' }), timeoutMs);
    socket.once('error', (error: NodeJS.ErrnoException) => done({ error: error.code ?? error.message }));
    socket.once('message', (message) => done({ answer: message.toString() }));
    // Connected, so that an ICMP error comes back as one.
    socket.bind(localPort, () => socket.connect(port, host, () => socket.send('who?')));
  });
}

async function handle(command: PeerCommand): Promise<PeerAnswer> {
  switch (command.op) {
    case 'serve':
      return await serve(command.protocol, command.port);
    case 'udp':
      return await askUdp(command.host, command.port, command.timeoutMs, command.localPort ?? 0);
    case 'tcp': {
      const socket = connect({ host: command.host, port: command.port, localPort: command.localPort });
      const answer = await say(socket, command.timeoutMs);
      socket.destroy();
      return answer;
    }
    case 'open': {
      const socket = connect(command.port, command.host);
      connections.push(socket);
      return { ...(await say(socket, command.timeoutMs)), connection: connections.length - 1 };
    }
    case 'say': {
      const socket = connections[command.connection];
      return socket ? await say(socket, command.timeoutMs) : { error: 'NO_CONNECTION', ms: 0 };
    }
  }
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { id, ...command } = JSON.parse(line) as PeerCommand & { id: number };
  void handle(command).then((answer) => process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`));
});
lines.on('close', () => process.exit(0));
process.stdout.write('{"id":0,"ms":0}\n');
