import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Container, Probe } from '../../api/types.ts';
import { urlHost } from '../../base/cidr.ts';
import { messageOf } from '../../base/errors.ts';
import type { CriClient } from '../cri/client.ts';
import { GrpcError, grpcStatus, rpcErrorText } from '../cri/grpc.ts';
import { dialFailure } from './dial-failure.ts';
import { grpcHealth, grpcHealthFailure } from './grpc-health.ts';

/** Whom a probe or a hook asks. */
export interface ProbeTarget {
  readonly cri: CriClient;
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string;
}

export interface ProbeResult {
  readonly ok: boolean;
  readonly message: string;
  /** What is odd about an answer that is well. */
  readonly warning?: string;
  /** It could not even be asked. */
  readonly isUnknown?: boolean;
}

export type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>;
type HttpGet = NonNullable<Probe['httpGet']>;
type Grpc = NonNullable<Probe['grpc']>;

const MAX_BODY = 10 * 1024;

/** Asks once. Never throws: what cannot be asked has failed. */
export async function check(handler: Handler, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  try {
    if (handler.exec) return await checkExec(handler.exec.command ?? [], target, timeoutMs);
    if (handler.httpGet) return await checkHttp(handler.httpGet, target, timeoutMs);
    if (handler.tcpSocket) {
      const { host, port } = handler.tcpSocket;
      return await checkTcp(host ?? target.podIP, portNumber(port, target.container), timeoutMs);
    }
    if (handler.grpc) return await checkGrpc(handler.grpc, target.podIP, timeoutMs);
    return { ok: false, message: 'the probe names nothing to ask' };
  } catch (error) {
    return { ok: false, message: rpcErrorText(error), isUnknown: true };
  }
}

async function checkExec(command: readonly string[], target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  try {
    const { exitCode, stdout, stderr } = await target.cri.execSync(target.containerId, command, timeoutMs / 1000);
    return { ok: exitCode === 0, message: Buffer.concat([stdout, stderr]).subarray(0, MAX_BODY).toString() };
  } catch (error) {
    if (!(error instanceof GrpcError) || error.code !== grpcStatus.DEADLINE_EXCEEDED) throw error;
    return {
      ok: false,
      message: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeoutMs / 1000}s`,
    };
  }
}

async function checkGrpc({ port, service = '' }: Grpc, host: string, timeoutMs: number): Promise<ProbeResult> {
  try {
    const status = await grpcHealth(host, port, service, timeoutMs);
    return { ok: status === 'SERVING', message: `service unhealthy (responded with "${status}")` };
  } catch (error) {
    return { ok: false, message: grpcHealthFailure(error, `${urlHost(host)}:${port}`, timeoutMs / 1000) };
  }
}

/** A number, or the name of one of the container's ports. */
export function portNumber(port: number | string | object, container: Container): number {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0) return number;
  const named = container.ports?.find(({ name }) => name === String(port));
  if (!named) throw new Error(`couldn't find port: ${JSON.stringify(port)}`);
  return named.containerPort;
}

function checkHttp(get: HttpGet, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const port = portNumber(get.port, target.container);
  const host = get.host || target.podIP;
  const path = get.path?.startsWith('/') ? get.path : `/${get.path ?? ''}`;
  const url = new URL(`${get.scheme === 'HTTPS' ? 'https' : 'http'}://${urlHost(host)}:${port}${path}`);
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.36', Accept: '*/*', Connection: 'close' };
  for (const { name, value } of get.httpHeaders ?? []) headers[name] = value ?? '';
  return askHttp(url, headers, performance.now() + timeoutMs, 0);
}

/** As Go's client does. */
const MAX_REDIRECTS = 10;

/** Redirects are followed on the same host; one that leads elsewhere is an answer of a server that is well. */
function askHttp(
  url: URL,
  headers: Readonly<Record<string, string>>,
  deadline: number,
  redirects: number,
): Promise<ProbeResult> {
  const timeoutMs = Math.max(1, deadline - performance.now());
  return new Promise((resolve) => {
    const fail = (why: string) => resolve({ ok: false, message: `Get "${withPort(url)}": ${why}` });
    const timer = setTimeout(() => {
      fail('context deadline exceeded (Client.Timeout exceeded while awaiting headers)');
      request.destroy();
    }, timeoutMs);
    const secure = url.protocol === 'https:';
    const options = { headers, agent: false, rejectUnauthorized: false, timeout: timeoutMs };
    const request = (secure ? https : http).get(url, options, (response) => {
      const status = response.statusCode ?? 0;
      const next = redirectOf(status, response.headers.location, url);
      if (next && next.hostname !== url.hostname) {
        return resolve(leadElsewhere(response).finally(() => clearTimeout(timer)));
      }
      response.destroy();
      clearTimeout(timer);
      if (next) {
        if (redirects >= MAX_REDIRECTS) return fail(`stopped after ${MAX_REDIRECTS} redirects`);
        return resolve(askHttp(next, headers, deadline, redirects + 1));
      }
      const ok = status >= 200 && status < 400;
      resolve({ ok, message: ok ? '' : `HTTP probe failed with statuscode: ${status}` });
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      fail(dialFailure(error, url.hostname, url.port || (secure ? 443 : 80)));
    });
  });
}

async function leadElsewhere(response: IncomingMessage): Promise<ProbeResult> {
  let body = '';
  try {
    for await (const text of response.setEncoding('utf8')) {
      body += text;
      if (body.length >= MAX_BODY) break;
    }
  } catch (error) {
    return { ok: false, message: messageOf(error) };
  }
  const warning = `Probe terminated redirects, Response body: ${body.slice(0, MAX_BODY)}`;
  return { ok: true, message: '', warning };
}

/** As it was asked for: a URL does not keep the port that its scheme has anyway. */
function withPort({ protocol, hostname, port, pathname, search }: URL): string {
  return `${protocol}//${hostname}:${port || (protocol === 'https:' ? 443 : 80)}${pathname}${search}`;
}

function redirectOf(status: number, location: string | undefined, from: URL): URL | undefined {
  return location !== undefined && [301, 302, 303, 307, 308].includes(status) && URL.canParse(location, from.href)
    ? new URL(location, from.href)
    : undefined;
}

function checkTcp(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const done = (result: ProbeResult) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => done({ ok: false, message: `dial tcp ${host}:${port}: i/o timeout` }), timeoutMs);
    socket.on('connect', () => done({ ok: true, message: '' }));
    socket.on('error', (error) => done({ ok: false, message: dialFailure(error, urlHost(host), port) }));
  });
}
