import type { Answer } from './answer.ts';
import type { ApiRequest, User } from './request.ts';

/** A request from the same process. It has the form of the client's transport, and says who asks. */
export interface LocalRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  readonly user: User;
}

export interface LocalResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  text(): Promise<string>;
}

/** Bytes that a local watcher may leave unread before it is cut off. */
const SLOW_WATCHER = 64 * 1024 * 1024;

export function toApiRequest(request: LocalRequest): ApiRequest {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  return { ...request, headers };
}

export function localResponse(answer: Answer, signal: AbortSignal | undefined): LocalResponse {
  const body = typeof answer.body === 'function' ? streamed(answer.body, signal) : pieces(answer.body);
  const headers = { ...answer.headers };
  if (answer.warnings?.length)
    headers.warning = answer.warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ');
  return { status: answer.status, headers, body, text: () => textOf(body) };
}

async function* pieces(body: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* body;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const [only] = chunks;
  return (
    only && chunks.length === 1 ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(chunks)
  ).toString('utf8');
}

/** The events of a watch as they are asked for; started at once, so that none is missed. */
function streamed(stream: Extract<Answer['body'], (...args: never) => unknown>, signal: AbortSignal | undefined) {
  let queue: Uint8Array[] = [];
  let waiting = 0;
  // What was there at the start is handed out whole, however large.
  let limit = Number.POSITIVE_INFINITY;
  let over = false;
  let wake: () => void = () => undefined;
  const finish = () => {
    over = true;
    wake();
  };
  const stop = stream({
    write(chunk) {
      queue.push(chunk);
      waiting += chunk.length;
      if (waiting > limit) finish();
      wake();
    },
    end: finish,
  });
  limit = SLOW_WATCHER + waiting;
  signal?.addEventListener('abort', finish, { once: true });
  if (signal?.aborted) finish();
  return (async function* () {
    try {
      for (;;) {
        const batch = queue;
        queue = [];
        waiting = 0;
        yield* batch;
        if (over && queue.length === 0) return;
        if (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal?.removeEventListener('abort', finish);
      stop();
    }
  })();
}
