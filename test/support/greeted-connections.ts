/**
 * Opens COUNT connections to ADDRESS PORT, where each is greeted with a line and echoed from then on, and prints their
 * own ports, each with its greeting, as a JSON list. For each line of its standard input it says something on every
 * connection, and prints as a JSON list whether an echo came: `echo`, or the error.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const greetingMs = 10_000;
const echoMs = 20_000;
const [address = '', port = '', count = '1'] = process.argv.slice(2);
const connections = await Promise.all(Array.from({ length: Number(count) }, open));
console.log(JSON.stringify(connections.map(({ port, greeting }) => `${port} ${greeting}`)));
for await (const _ of createInterface(process.stdin))
  console.log(JSON.stringify(await Promise.all(connections.map(({ socket }) => echoOf(socket)))));
for (const { socket } of connections) socket.destroy();

async function open(): Promise<{ socket: Socket; port: number; greeting: string }> {
  const socket = connect(Number(port), address);
  const greeting = await heard(socket, greetingMs);
  return { socket, port: socket.localPort ?? 0, greeting: greeting.trim() };
}

async function echoOf(socket: Socket): Promise<string> {
  if (socket.destroyed) return 'closed';
  socket.write('still there?\n');
  const answer = await heard(socket, echoMs);
  return answer === 'still there?\n' ? 'echo' : answer;
}

/** What comes next on a connection. */
async function heard(socket: Socket, timeoutMs: number): Promise<string> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const [chunk] = await Promise.race([once(socket, 'data', { signal }), once(socket, 'close', { signal })]);
    return Buffer.isBuffer(chunk) ? chunk.toString() : 'closed';
  } catch (error) {
    return error instanceof Error ? (error.name === 'AbortError' ? 'silence' : error.message) : String(error);
  }
}
