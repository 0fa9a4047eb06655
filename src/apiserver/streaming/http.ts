import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../base/errors.ts';
import { badRequest, StatusError } from '../errors.ts';
import { proxyStream, type StreamAnswer } from './stream.ts';
import type { ClientTls, ProxyTarget } from './target.ts';

/** Headers that belong to one connection (RFC 9110 §7.6.1; those with a colon to HTTP/2), or to us alone. */
const notForwarded =
  /^(:.*|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|authorization|x-remote-.*|impersonate-.*|x-forwarded-.*)$/i;

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
 * credentials. Redirects to its paths, and links of
 * its pages, are led back through `prefix`.
 *
 * @throws StatusError `ServiceUnavailable` where there is no answer. Once the answer began, a failure only ends the connection.
 */
export async function proxyHttp({ req, res, target, tls, prefix }: HttpProxy): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const answer = await proxyStream({
    target,
    tls,
    signal: gone.signal,
    method: req.method,
    headers: [...endToEnd(req.rawHeaders), ...forwarded(req, prefix, target)],
    body: hasBody(req) ? req : undefined,
    failure: unreachable,
  });
  const headers = endToEnd(answer.rawHeaders);
  const led = (url: string) => throughPrefix(url, target, prefix, hostAsked(req));
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() === 'location') headers[i + 1] = led(headers[i + 1]!);
  }
  const { body, length } = await page(answer, req.method, led);
  if (!length) dropHeader(headers, 'content-length');
  res.writeHead(answer.status, headers);
  try {
    await pipeline(body, res);
  } catch {
    // Either side went away in the middle: there is nobody left to tell.
    res.destroy();
  }
}

const unreachable = (error: unknown) =>
  new StatusError(503, 'ServiceUnavailable', `error trying to reach service: ${messageOf(error)}`);

/** The answer's body, and whether it has the length that its headers tell: that of a page changes with its links. */
async function page(
  { headers, body }: StreamAnswer,
  method: string | undefined,
  led: (url: string) => string,
): Promise<{ readonly body: Readable; readonly length: boolean }> {
  const coding = headers['content-encoding'];
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  const isPage = type === 'text/html' && (!coding || coding === 'gzip' || coding === 'deflate');
  if (!isPage || headers.location !== undefined || method === 'HEAD') return { body, length: true };
  const { rewriteLinks } = await import('./links.ts');
  return { body: rewriteLinks(body, coding, led), length: false };
}

function dropHeader(headers: string[], name: string): void {
  const at = headers.findIndex((each, i) => i % 2 === 0 && each.toLowerCase() === name);
  if (at >= 0) headers.splice(at, 2);
}

function hasBody({ headers, method, httpVersionMajor }: IncomingMessage): boolean {
  const length = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined || Number(length ?? 0) > 0) return true;
  // In HTTP/2 a body needs no header.
  return httpVersionMajor === 2 && length === undefined && method !== 'GET' && method !== 'HEAD';
}

function endToEnd(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!notForwarded.test(headers[i]!)) kept.push(headers[i]!, headers[i + 1]!);
  }
  return kept;
}

/** Under which name the client knows this server; HTTP/2 has a field of its own for it. */
const hostAsked = ({ headers }: IncomingMessage): string | undefined =>
  headers.host ?? headers[':authority']?.toString();

function forwarded(req: IncomingMessage, prefix: string, { path }: ProxyTarget): string[] {
  const from = req.socket.remoteAddress;
  const host = hostAsked(req);
  return [
    ...['X-Forwarded-Uri', `${prefix}${path.split('?', 1)[0]}`, 'X-Forwarded-Proto', 'https'],
    ...(from ? ['X-Forwarded-For', from] : []),
    ...(host ? ['X-Forwarded-Host', host] : []),
  ];
}

/** A URL of the target, under whichever name the client or we know it, as a path below `prefix`; others stay. */
function throughPrefix(link: string, target: ProxyTarget, prefix: string, clientHost: string | undefined): string {
  const root = `${target.scheme ?? 'https'}://${target.host}:${target.port}`;
  const url = URL.parse(link, root);
  if (!url || !(link.startsWith('/') || link.includes('://'))) return link;
  const isTargets = url.host === new URL(root).host || url.host === clientHost;
  if (!isTargets || url.pathname.startsWith(prefix)) return link;
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
