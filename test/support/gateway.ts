import { connect as connectTLS } from 'node:tls';
import type { TestCluster } from './cluster.ts';

const apiVersion = 'gateway.networking.k8s.io/v1';

/** A Gateway of the class knit, of which only what matters is said: its listeners. */
export function gateway(name: string, listeners: readonly object[] = [{ name: 'http', port: 80, protocol: 'HTTP' }]) {
  return { apiVersion, kind: 'Gateway', metadata: { name }, spec: { gatewayClassName: 'knit', listeners } };
}

export interface RouteOptions {
  readonly kind?: 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute';
  readonly hostnames?: readonly string[];
  /** Of the Gateway; left out: all of its listeners. */
  readonly sectionName?: string;
}

/** A route of a Gateway, with its rules as they are written. */
export function route(name: string, parent: string, rules: readonly object[], options: RouteOptions = {}) {
  const { kind = 'HTTPRoute', hostnames, sectionName } = options;
  const parentRefs = [{ name: parent, ...(sectionName === undefined ? {} : { sectionName }) }];
  return { apiVersion, kind, metadata: { name }, spec: { parentRefs, hostnames, rules } };
}

/** A rule for all paths that begin so, or for a match as it is written. */
export function rule(match: string | object, ...backends: readonly (string | object)[]) {
  const matches = [typeof match === 'string' ? { path: { type: 'PathPrefix', value: match } } : match];
  return { matches, backendRefs: backends.map((each) => (typeof each === 'string' ? { name: each, port: 80 } : each)) };
}

interface Conditioned {
  readonly status?: {
    readonly addresses?: readonly { readonly value: string }[];
    readonly conditions?: readonly Condition[];
    readonly listeners?: readonly {
      readonly name: string;
      readonly attachedRoutes: number;
      readonly conditions: readonly Condition[];
    }[];
    readonly parents?: readonly { readonly conditions: readonly Condition[] }[];
  };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

/** `Accepted: True Accepted`, of a Gateway or of the first parent of a route, and `LISTENER Accepted: …`. */
export async function conditionsOf(cluster: TestCluster, kind: string, name: string): Promise<string[]> {
  const { status } = await cluster.get<Conditioned>(kind, name);
  const told = (conditions: readonly Condition[] = [], of = '') =>
    conditions.map(({ type, status, reason }) => `${of}${type}: ${status} ${reason}`);
  return [
    ...told(status?.conditions),
    ...told(status?.parents?.[0]?.conditions),
    ...(status?.listeners ?? []).flatMap((each) => told(each.conditions, `${each.name} `)),
  ];
}

/** Where a Gateway is reached; waits until it is programmed. */
export async function addressOf(cluster: TestCluster, name: string): Promise<string> {
  await cluster.kubectl(['wait', '--for=condition=Programmed', `gateway/${name}`, '--timeout=110s']);
  const { status } = await cluster.get<Conditioned>('gateway', name);
  return status?.addresses?.[0]?.value ?? '';
}

/** The common name of the certificate that is shown for a name; undefined where the connection ends without one. */
export async function certificateAt(host: string, port: number, servername: string): Promise<string | undefined> {
  const socket = connectTLS({ host, port, servername, rejectUnauthorized: false });
  return await new Promise((resolve) => {
    socket.once('secureConnect', () => {
      const { CN } = socket.getPeerCertificate().subject;
      resolve(Array.isArray(CN) ? CN[0] : CN);
      socket.destroy();
    });
    socket.once('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
  });
}
