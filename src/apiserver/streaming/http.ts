import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { badRequest } from '../errors.ts';
import { proxyStream } from './stream.ts';
import type { ClientTls, ProxyTarget } from './target.ts';

/** Headers that belong to one connection (RFC 9110 §7.6.1), or to us alone. */
const notForwarded =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|authorization|x-remote-.*|impersonate-.*|x-forwarded-.*)$/i;

export interface HttpProxy {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly target: ProxyTarget;
  readonly tls?: ClientTls;
  /** The path of ours that stands for the target's root: `/api/v1/namespaces/x/services/y:80/proxy`. */
  readonly prefix: string;
}

/**
 * The `proxy` subresource of nodes, pods and Services: the request goes on to `target` without the client's
 * credentials. A redirect to a path is led back through `prefix`.
 *
 * @throws StatusError where there is no answer. Once the answer began, a failure only ends the connection.
 */
export async function proxyHttp({ req, res, target, tls, prefix }: HttpProxy): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const answer = await proxyStream({
    target,
    tls,
    signal: gone.signal,
    method: req.method,
    headers: [...endToEnd(req.rawHeaders), ...forwarded(req, prefix)],
    body: hasBody(req) ? req : undefined,
  });
  const headers = endToEnd(answer.rawHeaders);
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() === 'location') headers[i + 1] = throughPrefix(headers[i + 1]!, target, prefix);
  }
  res.writeHead(answer.status, headers);
  try {
    await pipeline(answer.body, res);
  } catch {
    // Either side went away in the middle: there is nobody left to tell.
    res.destroy();
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function endToEnd(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!notForwarded.test(headers[i]!)) kept.push(headers[i]!, headers[i + 1]!);
  }
  return kept;
}

function forwarded(req: IncomingMessage, prefix: string): string[] {
  const from = req.socket.remoteAddress;
  const host = req.headers.host;
  return [
    ...['X-Forwarded-Uri', prefix, 'X-Forwarded-Proto', 'https'],
    ...(from ? ['X-Forwarded-For', from] : []),
    ...(host ? ['X-Forwarded-Host', host] : []),
  ];
}

function throughPrefix(location: string, target: ProxyTarget, prefix: string): string {
  const root = `${target.scheme ?? 'https'}://${target.host}:${target.port}`;
  const url = URL.parse(location, root);
  if (!url || url.host !== new URL(root).host || !(location.startsWith('/') || location.includes('://'))) {
    return location;
  }
  return `${prefix}${url.pathname}${url.search}${url.hash}`;
}

/** A name in a `proxy` path: `web`, `web:80`, `https:web:443`. */
export interface ProxyName {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  /** Number or name of a port; empty where it is left to the object. */
  readonly port: string;
}

/** @throws StatusError `BadRequest` for a name of another form. */
export function splitProxyName(text: string, kind: 'service' | 'pod' | 'node'): ProxyName {
  const parts = text.split(':');
  const [scheme, name, port] = parts.length === 3 ? parts : ['http', parts[0], parts[1] ?? ''];
  const known = scheme === '' || scheme === 'http' || scheme === 'https';
  if (!known || !name || parts.length > 3) throw badRequest(`invalid ${kind} request "${text}"`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port: port ?? '' };
}
