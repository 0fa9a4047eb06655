import type { RawData, WebSocket } from 'ws';
import { messageOf } from '../../base/errors.ts';
import type { SpdyConnection, SpdyStream } from './spdy/connection.ts';
import { sendBinary } from './websocket.ts';

/** Channels of the WebSocket protocol v5.channel.k8s.io: the first byte of each message (KEP-4006). */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** A Status is a few hundred bytes; a runtime that says more is not believed. */
const maxStatusBytes = 1024 * 1024;

/**
 * Carries a remote command between a client that speaks v5.channel.k8s.io and a runtime that speaks v4.channel.k8s.io
 * over SPDY: stdin and its end, window sizes, output, and the Status at the end. Resolves when both sides are closed.
 * Where there was no output at all, `missed` is asked why that is a failure, if it is one.
 */
export async function translate(
  ws: WebSocket,
  spdy: SpdyConnection,
  options: StreamOptions,
  missed: () => Promise<string | undefined>,
): Promise<void> {
  const status: Buffer[] = [];
  let statusBytes = 0;
  let silent = true;
  // The order is the one that runtimes know from client-go.
  spdy.open(
    { streamtype: 'error' },
    {
      onData(payload) {
        statusBytes += payload.length;
        if (statusBytes <= maxStatusBytes) status.push(Buffer.from(payload));
      },
    },
  );
  const stdin = options.stdin ? spdy.open({ streamtype: 'stdin' }) : undefined;
  const output = (name: 'stdout' | 'stderr') =>
    spdy.open(
      { streamtype: name },
      {
        onData(payload) {
          silent = false;
          return sendBinary(ws, message(channel[name], payload));
        },
      },
    );
  if (options.stdout) output('stdout');
  if (options.stderr) output('stderr');
  const resize = options.tty ? spdy.open({ streamtype: 'resize' }) : undefined;

  forwardInput(ws, spdy, stdin, resize);
  ws.once('close', () => spdy.close());
  announce(ws, options);
  const failure = await outcome(spdy);
  const why = silent && ws.readyState === ws.OPEN ? await missed() : undefined;
  const known = status.length > 0 && why === undefined;
  const text = known ? Buffer.concat(status) : Buffer.from(JSON.stringify(internalError(why ?? failure)));
  await sendBinary(ws, message(channel.error, text));
  ws.close(1000);
  spdy.close();
}

/** How the runtime's side ended: with undefined after a goodbye. */
async function outcome(spdy: SpdyConnection): Promise<string | undefined> {
  try {
    await spdy.run();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function internalError(failure: string | undefined): object {
  const reason = failure ?? 'the container runtime closed the connection without a status';
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${reason}`,
    reason: 'InternalError',
    details: { causes: [{ message: reason }] },
    code: 500,
  };
}

function message(to: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(payload.length + 1);
  bytes[0] = to;
  payload.copy(bytes, 1);
  return bytes;
}

/** Clients take the first message, empty here, as the sign that the command runs, as kubelets send it. */
function announce(ws: WebSocket, options: StreamOptions): void {
  const first = options.stdout ? channel.stdout : options.stderr ? channel.stderr : channel.error;
  void sendBinary(ws, Buffer.of(first));
}

function forwardInput(
  ws: WebSocket,
  spdy: SpdyConnection,
  stdin: SpdyStream | undefined,
  resize: SpdyStream | undefined,
): void {
  ws.on('message', (data: RawData) => {
    const bytes = data as Buffer;
    const payload = bytes.subarray(1);
    const to = bytes[0] === channel.stdin ? stdin : bytes[0] === channel.resize ? resize : undefined;
    if (bytes[0] === channel.close && payload[0] === channel.stdin) stdin?.end();
    if (!to || payload.length === 0 || to.write(payload)) return;
    ws.pause();
    spdy.drained(() => ws.resume());
  });
}
