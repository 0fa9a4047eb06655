import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

/** What to open: `count` connections to a virtual address, a few at a time. */
export interface KnockOrder {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly count: number;
}

/** One connection: the client's port, and for TCP how long it took until it stood, or why it did not. */
export interface Knock {
  readonly port: number;
  readonly ms?: number;
  readonly failure?: string;
}

const atOnce = 4;
const timeoutMs = 3000;

/** Run as a program in a client's network, with a {@link KnockOrder} as JSON: prints a list of {@link Knock}. */
async function main(order: KnockOrder): Promise<void> {
  const knocks: Knock[] = [];
  const knock = order.protocol === 'tcp' ? knockTcp : knockUdp;
  const worker = async () => {
    while (left > 0) {
      left--;
      knocks.push(await knock(order));
    }
  };
  let left = order.count;
  await Promise.all(Array.from({ length: atOnce }, worker));
  process.stdout.write(`${JSON.stringify(knocks)}\n`);
}

function knockTcp({ address, port }: KnockOrder): Promise<Knock> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ host: address, port, timeout: timeoutMs });
    const settle = (outcome: Omit<Knock, 'port'>) => {
      resolve({ port: socket.localPort ?? 0, ...outcome });
      socket.destroy();
    };
    socket.once('connect', () => settle({ ms: performance.now() - began }));
    socket.once('timeout', () => settle({ failure: 'ETIMEDOUT' }));
    socket.once('error', (error: NodeJS.ErrnoException) => settle({ failure: error.code ?? error.message }));
  });
}

/** Whether anybody answers is not asked: that the datagram is led to a pod is what counts. */
function knockUdp({ address, port }: KnockOrder): Promise<Knock> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.send('knit', port, address, (error) => {
      resolve({ port: socket.address().port, ...(error ? { failure: error.message } : {}) });
      socket.close();
    });
  });
}

await main(JSON.parse(process.argv[2] ?? '{}') as KnockOrder);
