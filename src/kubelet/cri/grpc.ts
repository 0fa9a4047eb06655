import net from 'node:net';
import {
  Client,
  connectivityState,
  credentials,
  type CallOptions as LibraryOptions,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { messageOf } from '../../base/errors.ts';

export { status as grpcStatus } from '@grpc/grpc-js';

export class GrpcError extends Error {
  /** One of {@link grpcStatus}. */
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.name = 'GrpcError';
    this.code = code;
  }
}

/** Go's names of the codes, in their order. */
const CODES = (
  'OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted ' +
  'FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated'
).split(' ');

/** An error as Go writes it where it tells the whole of it: `rpc error: code = NotFound desc = …`. */
export function rpcErrorText(error: unknown): string {
  if (!(error instanceof GrpcError)) return messageOf(error);
  return `rpc error: code = ${CODES[error.code] ?? `Code(${error.code})`} desc = ${error.message}`;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** gRPC to one server. The connection is made with the first call and again after it broke. */
export interface Channel {
  /** One request, one answer. `method` is `/package.Service/Method`. Throws {@link GrpcError}. */
  unary(method: string, request: Uint8Array, options?: CallOptions): Promise<Buffer>;
  /** One request, many answers, until the server ends, fails ({@link GrpcError}) or the signal fires. */
  stream(method: string, request: Uint8Array, options?: CallOptions): AsyncIterable<Buffer>;
  /** Calls that wait fail, and later ones too. */
  close(): void;
}

const channelOptions = {
  // A connection shared with other channels would also share their waiting for the next attempt.
  'grpc.use_local_subchannel_pool': 1,
  // The servers are on this node, whatever proxy the environment names for the world outside.
  'grpc.enable_http_proxy': 0,
  // 16 MiB, as Kubernetes' kubelet takes: a list of all containers may exceed the library's 4 MiB.
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
};

/** A channel, without TLS, to a unix socket's path or an address. */
export function openChannel(server: string | { readonly host: string; readonly port: number }): Channel {
  const target = targetOf(server);
  let client: Client | undefined;
  let closed = false;

  /**
   * gRPC refuses calls while it waits to connect again. A new client connects at once instead, so that a runtime that
   * comes up is found by the next call.
   */
  const connecting = (): Client => {
    if (closed) throw new GrpcError(status.UNAVAILABLE, 'the connection was closed');
    if (client?.getChannel().getConnectivityState(false) === connectivityState.TRANSIENT_FAILURE) {
      client.close();
      client = undefined;
    }
    client ??= new Client(target, credentials.createInsecure(), channelOptions);
    return client;
  };

  const inFlight = new Set<() => void>();
  /** Ends the call with its signal or the channel, until `release` is called. */
  const follow = (call: { cancel(): void }, signal: AbortSignal | undefined): { release(): void } => {
    const cancel = () => call.cancel();
    inFlight.add(cancel);
    signal?.addEventListener('abort', cancel, { once: true });
    return {
      release() {
        inFlight.delete(cancel);
        signal?.removeEventListener('abort', cancel);
      },
    };
  };

  return {
    unary: (method, request, options = {}) =>
      new Promise((resolve, reject) => {
        const [metadata, limits] = prepare(options);
        const answered = (error: ServiceError | null, answer?: Buffer) => {
          following.release();
          if (answer) resolve(answer);
          else reject(failure(error, options.signal));
        };
        const client = connecting();
        const call = client.makeUnaryRequest(method, serialize, asIs, request, metadata, limits, answered);
        const following = follow(call, options.signal);
      }),
    async *stream(method, request, options = {}) {
      const [metadata, limits] = prepare(options);
      const call = connecting().makeServerStreamRequest(method, serialize, asIs, request, metadata, limits);
      const following = follow(call, options.signal);
      // What the library says of a call that was cancelled is an error even when nobody reads any more.
      call.on('error', following.release);
      try {
        yield* call;
      } catch (error) {
        throw failure(error, options.signal);
      } finally {
        following.release();
        call.cancel();
      }
    },
    close() {
      closed = true;
      for (const cancel of inFlight) cancel();
      client?.close();
      client = undefined;
    },
  };
}

function targetOf(server: string | { readonly host: string; readonly port: number }): string {
  if (typeof server === 'string') return `unix:${server}`;
  const { host, port } = server;
  return net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

const serialize = (request: Uint8Array): Buffer => Buffer.from(request.buffer, request.byteOffset, request.byteLength);
const asIs = (answer: Buffer): Buffer => answer;

/** @throws the signal's reason where the call must not begin */
function prepare({ metadata = {}, signal, timeoutMs }: CallOptions): [Metadata, LibraryOptions] {
  signal?.throwIfAborted();
  return [Metadata.fromHttp2Headers(metadata), timeoutMs ? { deadline: Date.now() + timeoutMs } : {}];
}

/** The signal's own reason where it was what ended the call. */
function failure(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (!isServiceError(error)) return error;
  return new GrpcError(error.code, error.details);
}

const isServiceError = (error: unknown): error is ServiceError => error instanceof Error && 'details' in error;
