import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import { refuseUpgrade, UpgradeRefused } from '../../base/upgrade.ts';

/** An answer other than 200, as a line of text: that is the kubelet's way; the API server makes a Status of it. */
export class HttpError extends Error {
  readonly statusCode: number;
  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'HttpError';
    this.statusCode = statusCode;
  }
}

/** HTTP's code for a gRPC code of the container runtime (NOT_FOUND, RESOURCE_EXHAUSTED); else it is our failure. */
const httpOfGrpc = new Map<unknown, number>([
  [5, 404],
  [8, 429],
]);

export function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof UpgradeRefused) return new HttpError(error.statusCode, error.message);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return new HttpError(httpOfGrpc.get(code) ?? 500, messageOf(error));
}

/** An upgrade request that is to be answered. */
export interface UpgradeCall {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly url: URL;
}

export function refuse(socket: Duplex, error: unknown): void {
  const { statusCode, message } = httpErrorOf(error);
  refuseUpgrade(socket, statusCode, 'text/plain; charset=utf-8', `${message}\n`);
}
