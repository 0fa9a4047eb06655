import type { Status } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { badRequest, internalError, StatusError } from '../errors.ts';

/** Where a request goes on to. */
export interface ProxyTarget {
  readonly scheme?: 'http' | 'https';
  /** Address or name to connect to. */
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  /** The name in the server's certificate, where it is not `host`. */
  readonly servername?: string;
}

/** How to reach a kubelet: our client certificate, and who vouches for the kubelet's. All PEM. */
export interface ClientTls {
  readonly cert: string;
  readonly key: string;
  /** Default: who vouches for servers of the world. */
  readonly ca?: string;
  /** `false` to take any certificate. */
  readonly rejectUnauthorized?: boolean;
}

/** Options for `node:http` and `node:https`. Without `tls` an HTTPS server is not verified, as pods' own are not. */
export function requestOptions(target: ProxyTarget, tls: ClientTls | undefined) {
  const protocol = target.scheme === 'http' ? ('http:' as const) : ('https:' as const);
  return {
    protocol,
    host: target.host,
    port: target.port,
    path: target.path,
    servername: target.servername,
    ...(tls ? { rejectUnauthorized: true, ...tls } : { rejectUnauthorized: false }),
  };
}

/** `Host` for a target: IPv6 addresses stand in brackets. */
export function hostOf({ host, port }: ProxyTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Nobody answered at the target. The message is Kubernetes' own: `error dialing backend: …`. */
export function dialError(error: unknown): StatusError {
  return new StatusError(500, 'InternalError', `error dialing backend: ${messageOf(error)}`);
}

/**
 * What a kubelet refused, as Kubernetes' API server says it: 400 and 404 keep their code and text, all else is an
 * internal error.
 */
export function refusal(statusCode: number, body: string, prefix = ''): StatusError {
  const text = `${prefix}${body.trim() || `the kubelet answered ${statusCode}`}`;
  const status = parseStatus(body);
  if (status) return new StatusError(status.code ?? statusCode, status.reason ?? '', status.message ?? text);
  if (statusCode === 400) return badRequest(text);
  if (statusCode === 404) return new StatusError(404, 'NotFound', text);
  if (statusCode === 429) return new StatusError(429, 'TooManyRequests', text);
  return internalError(text);
}

function parseStatus(body: string): Status | undefined {
  if (!body.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(body) as Status;
    return value.kind === 'Status' ? value : undefined;
  } catch {
    // It only looked like JSON: then it is a text.
    return undefined;
  }
}
