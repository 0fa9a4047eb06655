import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Container, Probe } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { CriClient } from '../cri/client.ts';
import { GrpcError, grpcStatus } from '../cri/grpc.ts';
import { grpcHealth } from './grpc-health.ts';

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
}

export type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>;
type HttpGet = NonNullable<Probe['httpGet']>;

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
    if (handler.grpc) {
      const { port, service } = handler.grpc;
      const status = await grpcHealth(target.podIP, port, service ?? '', timeoutMs);
      return { ok: status === 'SERVING', message: `service unhealthy (responded with "${status}")` };
    }
    return { ok: false, message: 'the probe names nothing to ask' };
  } catch (error) {
    return { ok: false, message: messageOf(error) };
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
  const secure = get.scheme === 'HTTPS';
  const path = get.path?.startsWith('/') ? get.path : `/${get.path ?? ''}`;
  const url = `${secure ? 'https' : 'http'}://${host}:${port}${path}`;
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.36', Accept: '*/*', Connection: 'close' };
  for (const { name, value } of get.httpHeaders ?? []) headers[name] = value ?? '';
  const options = { host, port, path, headers, agent: false, rejectUnauthorized: false, timeout: timeoutMs };
  return new Promise((resolve) => {
    const fail = (why: string) => resolve({ ok: false, message: `Get "${url}": ${why}` });
    const timer = setTimeout(() => {
      fail('context deadline exceeded (Client.Timeout exceeded while awaiting headers)');
      request.destroy();
    }, timeoutMs);
    const request = (secure ? https : http).get(options, (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      clearTimeout(timer);
      const ok = status >= 200 && status < 400;
      resolve({ ok, message: ok ? '' : `HTTP probe failed with statuscode: ${status}` });
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      fail(messageOf(error));
    });
  });
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
    socket.on('error', (error) => done({ ok: false, message: `dial tcp ${host}:${port}: ${messageOf(error)}` }));
  });
}
