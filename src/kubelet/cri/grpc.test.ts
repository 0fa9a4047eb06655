import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { openChannel } from './grpc.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'knit-t-grpc-'));
const socket = path.join(folder, 'echo.sock');
after(() => rmSync(folder, { recursive: true, force: true }));

const asIs = (bytes: Buffer): Buffer => bytes;
const method = (name: string, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const service = { Echo: method('Echo', false), Hang: method('Hang', false), Count: method('Count', true) };

/** `called` resolves when a client makes a call of `Hang`, `cancelled` when one gives up a call of `Hang` or `Count`. */
async function startServer() {
  const server = new Server();
  const called = Promise.withResolvers<void>();
  const gaveUp = Promise.withResolvers<void>();
  server.addService(service satisfies ServiceDefinition, {
    Echo: (call: { request: Buffer }, answer: (error: object | null, value?: Buffer) => void) =>
      call.request.length > 0 ? answer(null, call.request) : answer({ code: status.NOT_FOUND, details: 'no ünits' }),
    Hang: (call: NodeJS.EventEmitter) => {
      call.on('cancelled', gaveUp.resolve);
      called.resolve();
    },
    Count: (call: NodeJS.EventEmitter & { write(value: Buffer): void }) => {
      call.on('cancelled', gaveUp.resolve);
      for (const number of [1, 2, 3]) call.write(Buffer.from([number]));
    },
  });
  await promisify(server.bindAsync.bind(server))(`unix:${socket}`, ServerCredentials.createInsecure());
  return { called: called.promise, cancelled: gaveUp.promise, [Symbol.dispose]: () => server.forceShutdown() };
}

function open() {
  const channel = openChannel(socket);
  return { ...channel, [Symbol.dispose]: channel.close };
}

const hello = Buffer.from('hello');

test('a server that comes up late is found by the next call, and so is one that was started again', async () => {
  using channel = open();
  const refused = { code: status.UNAVAILABLE, message: /connect ENOENT .*echo\.sock/ };
  await assert.rejects(channel.unary('/test.Echo/Echo', hello), refused);
  for (let round = 0; round < 2; round++) {
    using _server = await startServer();
    assert.deepEqual(await channel.unary('/test.Echo/Echo', hello), hello);
  }
  await assert.rejects(channel.unary('/test.Echo/Echo', hello), { code: status.UNAVAILABLE });
});

test('an error has the server’s status and words', async () => {
  using _server = await startServer();
  using channel = open();
  const failed = channel.unary('/test.Echo/Echo', Buffer.alloc(0));
  await assert.rejects(failed, { code: status.NOT_FOUND, message: 'no ünits' });
});

test('a call over its time fails, and the server is told', async () => {
  using server = await startServer();
  using channel = open();
  // A call whose time is over before there is a connection never leaves.
  await channel.unary('/test.Echo/Echo', hello);
  const late = channel.unary('/test.Echo/Hang', hello, { timeoutMs: 200 });
  await assert.rejects(late, { code: status.DEADLINE_EXCEEDED });
  await server.cancelled;
});

test('a signal ends a call with its own reason', async () => {
  using server = await startServer();
  using channel = open();
  const reason = new Error('the user left');
  const user = new AbortController();
  const call = channel.unary('/test.Echo/Hang', hello, { signal: user.signal });
  await server.called;
  user.abort(reason);
  await assert.rejects(call, reason);
  await server.cancelled;
  await assert.rejects(channel.unary('/test.Echo/Echo', hello, { signal: user.signal }), reason);
});

test('calls end when their channel is closed, and later ones fail', async () => {
  using server = await startServer();
  const channel = openChannel(socket);
  const waiting = channel.unary('/test.Echo/Hang', hello);
  assert.deepEqual(await channel.unary('/test.Echo/Echo', hello), hello);
  channel.close();
  await assert.rejects(waiting, { code: status.CANCELLED });
  await server.cancelled;
  await assert.rejects(channel.unary('/test.Echo/Echo', hello), { code: status.UNAVAILABLE });
});

test('a stream that nobody reads any more is cancelled', async () => {
  using server = await startServer();
  using channel = open();
  const read: (number | undefined)[] = [];
  for await (const [number] of channel.stream('/test.Echo/Count', hello)) if (read.push(number) === 2) break;
  assert.deepEqual(read, [1, 2]);
  await server.cancelled;
});

test('a stream fails when its server ends, and with the reason of its signal', async () => {
  const drain = async (stream: AsyncIterable<Buffer>, then: () => void) => {
    for await (const [number] of stream) if (number === 3) then();
  };
  using channel = open();
  const server = await startServer();
  const ended = drain(channel.stream('/test.Echo/Count', hello), () => server[Symbol.dispose]());
  await assert.rejects(ended, { name: 'GrpcError' });
  using _again = await startServer();
  const controller = new AbortController();
  const stream = channel.stream('/test.Echo/Count', hello, { signal: controller.signal });
  const aborted = drain(stream, () => controller.abort());
  await assert.rejects(aborted, { name: 'AbortError' });
});
