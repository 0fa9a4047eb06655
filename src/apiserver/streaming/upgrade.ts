import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { dialUpgrade, forwardedHeaders, grantUpgrade, refuseUpgrade, UpgradeRefused } from '../../base/upgrade.ts';
import { toStatusError } from '../errors.ts';
import { type ClientTls, dialError, hostOf, type ProxyTarget, refusal, requestOptions } from './target.ts';

export interface UpgradeProxy {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  /** What the client sent right behind its request. */
  readonly head: Buffer;
  readonly target: ProxyTarget;
  readonly tls?: ClientTls;
  /** Besides the client's own: `[name, value, …]`. */
  readonly headers?: readonly string[];
}

/** How long the other side may take to answer an upgrade request. */
const answerMs = 30_000;

/**
 * Sends an upgrade request (WebSocket or SPDY) on to `target`, and joins the two connections byte for byte where it is
 * granted. Else the client gets a Status. Resolves to the code of either when it is done; rejects never.
 */
export async function proxyUpgrade({ req, socket, head, target, tls, headers = [] }: UpgradeProxy): Promise<number> {
  socket.on('error', () => socket.destroy());
  try {
    const upgraded = await dialUpgrade({
      ...requestOptions(target, tls),
      method: req.method,
      headers: [...forwardedHeaders(req.rawHeaders, hostOf(target)), ...headers],
      timeoutMs: answerMs,
    });
    grantUpgrade(socket, head, upgraded);
    return 101;
  } catch (error) {
    return refuseWithStatus(
      socket,
      error instanceof UpgradeRefused
        ? refusal(error.statusCode, error.body, 'unable to upgrade connection: ')
        : dialError(error),
    );
  }
}

/** Answers an upgrade request with the Status of what went wrong, and closes. Returns its code. */
export function refuseWithStatus(socket: Duplex, error: unknown): number {
  const { status, code } = toStatusError(error);
  refuseUpgrade(socket, code, 'application/json', `${JSON.stringify(status)}\n`);
  return code;
}
