/**
 * Run in a client's network: `connect|bytes ADDRESS,… SECONDS` prints how many a second, by the addresses in turn;
 * `requests ADDRESS PORT SECONDS RATE HOST` opens so many connections a second, whatever becomes of those before, until
 * its standard input ends, and prints a {@link RequestReport} as JSON.
 */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface RequestReport {
  readonly requests: number;
  readonly failures: readonly { readonly atMs: number; readonly error: string }[];
  readonly slowestMs: number;
}

const atOnce = 16;
const timeoutMs = 8000;
const [mode = '', list = '', ...rest] = process.argv.slice(2);
const addresses = list.split(',');
let asked = 0;

if (mode === 'connect') console.log(await connectionsPerSecond(Number(rest[0])));
if (mode === 'bytes') console.log(await bytesPerSecond(Number(rest[0])));
if (mode === 'requests') {
  const [port = '', seconds = '', rate = '', host = ''] = rest;
  console.log('began');
  console.log(JSON.stringify(await requests(Number(port), Number(seconds), Number(rate), host)));
}
process.exit();

async function connectionsPerSecond(seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  const worker = async () => {
    while (performance.now() < until) {
      await answerOf(7001, '');
      count++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return count / seconds;
}

async function bytesPerSecond(seconds: number): Promise<number> {
  let bytes = 0;
  const socket = connect(7002, addresses[0]).on('data', (chunk: Buffer) => (bytes += chunk.length));
  await delay(seconds * 1000); // the length of the measurement
  socket.destroy();
  return bytes / seconds;
}

async function requests(port: number, seconds: number, rate: number, host: string): Promise<RequestReport> {
  const began = performance.now();
  const failures: { atMs: number; error: string }[] = [];
  const running: Promise<void>[] = [];
  let slowestMs = 0;
  const one = async () => {
    const at = performance.now();
    await answerOf(port, `GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`).catch((error: NodeJS.ErrnoException) =>
      failures.push({ atMs: Math.round(at - began), error: error.code ?? error.message }),
    );
    slowestMs = Math.max(slowestMs, performance.now() - at);
  };
  let wanted = true;
  process.stdin.resume().on('end', () => (wanted = false));
  for (let elapsed = 0; wanted && elapsed < seconds * 1000; elapsed = performance.now() - began) {
    while (running.length < (elapsed / 1000) * rate) running.push(one());
    await delay(2);
  }
  await Promise.all(running);
  return { requests: running.length, failures, slowestMs: Math.round(slowestMs) };
}

/** What a server says until it ends the connection. */
function answerOf(port: number, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const host = addresses[asked++ % addresses.length];
    const socket = connect({ host, port, timeout: timeoutMs });
    socket.on('connect', () => question && socket.write(question));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('timeout', () => socket.destroy(new Error('ETIMEDOUT')));
    socket.on('error', reject);
    socket.on('end', () => {
      socket.resetAndDestroy(); // no port waits for stray segments
      if (!/^(here|HTTP\S+ 200)/.test(answer)) reject(new Error(answer.split('\r\n')[0] || 'no answer'));
      else resolve(answer);
    });
  });
}
