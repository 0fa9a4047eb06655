import type { StatusError } from './errors.ts';
import type { Format } from './negotiation.ts';

/** Where a watch writes its events. */
export interface Sink {
  write(chunk: Uint8Array): void;
  /** The watch is over. */
  end(): void;
}

/** Starts to write into a sink; the returned function stops it (the client went away). */
export type Stream = (sink: Sink) => () => void;

/** An answer before it goes onto a wire: ready bytes, or a stream of events. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly Uint8Array[] | Stream;
  readonly warnings?: readonly string[];
  /** In what format the client gets what is JSON here; where nobody has negotiated it, that of its `Accept` header. */
  readonly format?: Format;
}

export function jsonAnswer(value: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return bytesAnswer([Buffer.from(JSON.stringify(value))], status, headers);
}

export function bytesAnswer(body: readonly Uint8Array[], status = 200, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

export function textAnswer(text: string, status = 200, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: [Buffer.from(text)] };
}

export function errorAnswer(error: StatusError): Answer {
  return jsonAnswer(error.status, error.code, { ...error.headers });
}
