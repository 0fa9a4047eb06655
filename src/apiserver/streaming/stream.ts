import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { TLSSocket } from 'node:tls';
import type { StatusError } from '../errors.ts';
import { type ClientTls, dialError, hostOf, type ProxyTarget, refusal, requestOptions } from './target.ts';

export interface StreamProxy {
  readonly target: ProxyTarget;
  readonly tls?: ClientTls;
  /** Ends the request: the client went away. */
  readonly signal?: AbortSignal;
  /** Default GET. */
  readonly method?: string;
  /** Names and values in turn; `Host` is added. */
  readonly headers?: readonly string[];
  readonly body?: Readable;
  /** What it means that there is no answer. Default: {@link dialError}. */
  readonly failure?: (error: unknown) => StatusError;
}

export interface StreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** Must be read or destroyed. */
  readonly body: Readable;
}

/**
 * Asks another server and hands out its answer as it comes, whatever its status.
 *
 * @throws StatusError `failure`'s where there is no answer.
 */
export function proxyStream({
  target,
  tls,
  signal,
  method,
  headers = [],
  body,
  failure = dialError,
}: StreamProxy): Promise<StreamAnswer> {
  const send = target.scheme === 'http' ? requestHttp : requestHttps;
  return new Promise((resolve, reject) => {
    const request = send({
      ...requestOptions(target, tls),
      method: method ?? 'GET',
      headers: ['Host', hostOf(target), ...headers],
      agent: false,
      signal,
    });
    request.once('response', (response: IncomingMessage) =>
      resolve({
        status: response.statusCode ?? 502,
        headers: response.headers,
        rawHeaders: response.rawHeaders,
        body: response,
      }),
    );
    request.on('error', (error) => reject(failure(error)));
    limitConnecting(request);
    if (!body) return void request.end();
    body.once('error', () => request.destroy());
    body.pipe(request);
  });
}

/** An answer may take its time, but a machine that is there takes the connection. */
const connectMs = 15_000;

function limitConnecting(request: ClientRequest): void {
  const timer = setTimeout(() => request.destroy(new Error(`no connection within ${connectMs} ms`)), connectMs);
  const stop = () => clearTimeout(timer);
  request.once('close', stop);
  request.once('socket', (socket) => socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', stop));
}

/**
 * A container's log from its node's kubelet.
 *
 * @throws StatusError with the kubelet's reason where it has none to give.
 */
export async function kubeletLog(options: Pick<StreamProxy, 'target' | 'tls' | 'signal'>): Promise<StreamAnswer> {
  const answer = await proxyStream(options);
  if (answer.status === 200) return answer;
  throw refusal(answer.status, await text(answer.body));
}
