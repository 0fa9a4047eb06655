import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';

/** What a request through the proxy got. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What `web-server.ts` told; empty where somebody else answered. */
  readonly told: Partial<Told>;
}

export interface Told {
  readonly pod: string;
  readonly method: string;
  readonly path: string;
  /** Of HTTP: `1.1`. */
  readonly version: string;
  readonly headers: Record<string, string>;
  readonly client: string;
  /** Of the connection to the pod; not there without TLS. */
  readonly tls: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly proxy: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
  /** Asks by HTTPS, and says this name. */
  readonly servername?: string;
  readonly agent?: Agent;
  readonly localAddress?: string;
  /** Default 80, with a server name 443. */
  readonly port?: number;
}

/** Asks the Ingress proxy at `address` for a host and path, as this machine's browser would. */
export async function ask(address: string, host: string, path = '/', options: AskOptions = {}): Promise<Answer> {
  const { servername, body, ...rest } = options;
  const request = servername === undefined ? httpRequest : httpsRequest;
  return await new Promise((resolve, reject) => {
    const asked = request({
      host: address,
      path,
      agent: false,
      timeout: 30_000,
      ...(servername === undefined ? {} : { servername, rejectUnauthorized: false }),
      ...rest,
      headers: { host, ...rest.headers },
    });
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isTold = response.headers['content-type'] === 'application/json' || text.startsWith('{"pod"');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          told: isTold ? JSON.parse(text) : {},
        });
      });
    });
    asked.on('timeout', () => asked.destroy(new Error(`${host}${path}: no answer in 30 s`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

/**
 * Pods of `web-server.ts`, run by this machine's Node.js, and a Service `name` with the ports http, h2c and proxy; with
 * the name of a TLS Secret also https.
 */
export function webServer(
  name: string,
  options: { replicas?: number; type?: string; preStopSeconds?: number; tlsSecret?: string } = {},
): object[] {
  const { replicas = 1, type = 'NodePort', preStopSeconds, tlsSecret } = options;
  const secret = (key: string) => ({ valueFrom: { secretKeyRef: { name: tlsSecret, key } } });
  const labels = { app: name };
  const paths = ['/usr/lib', ...(process.arch === 'x64' ? ['/usr/lib64'] : [])];
  const folders = [...paths.map((path) => [path, path]), [import.meta.dirname, '/opt/test']] as const;
  const files = [[process.execPath, '/usr/bin/node']] as const;
  const mounts = [...folders, ...files].map(([, mountPath = ''], index) => ({
    name: `v${index}`,
    mountPath,
    readOnly: true,
  }));
  const volumes = [...folders, ...files].map(([path], index) => ({ name: `v${index}`, hostPath: { path } }));
  const container = {
    name: 'web',
    image: 'knit.dev/lab:1',
    command: ['/usr/bin/node', join('/opt/test', 'web-server.ts')],
    ports: [{ containerPort: 8080 }],
    env: tlsSecret
      ? [
          { name: 'TLS_CERT', ...secret('tls.crt') },
          { name: 'TLS_KEY', ...secret('tls.key') },
        ]
      : [],
    volumeMounts: mounts,
    ...(preStopSeconds === undefined
      ? {}
      : { lifecycle: { preStop: { exec: { command: ['sleep', `${preStopSeconds}`] } } } }),
    readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
  };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } },
        template: { metadata: { labels }, spec: { containers: [container], volumes } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: {
        type,
        selector: labels,
        ports: [
          { name: 'http', port: 80, targetPort: 8080 },
          { name: 'h2c', port: 81, targetPort: 8081, appProtocol: 'kubernetes.io/h2c' },
          { name: 'proxy', port: 82, targetPort: 8082 },
          ...(tlsSecret ? [{ name: 'https', port: 443, targetPort: 8443, appProtocol: 'https' }] : []),
        ],
      },
    },
  ];
}

export interface Path {
  readonly path?: string;
  readonly type?: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly service: string;
  /** Default `http`. */
  readonly port?: string;
}

export interface IngressOptions {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly className?: string;
  readonly tls?: readonly object[];
  readonly defaultBackend?: object;
}

/** An Ingress of which only what matters is said: hosts with their paths, annotations without `knit.dev/`. */
export function ingress(name: string, hosts: Readonly<Record<string, readonly Path[]>>, options: IngressOptions = {}) {
  const { annotations = {}, className, tls, defaultBackend } = options;
  const rules = Object.entries(hosts).map(([host, paths]) => ({
    ...(host === '' ? {} : { host }),
    http: {
      paths: paths.map(({ path = '/', type: pathType = 'Prefix', service, port = 'http' }) => ({
        path,
        pathType,
        backend: { service: { name: service, port: { name: port } } },
      })),
    },
  }));
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    key.includes('/') ? key : `knit.dev/${key}`,
    value,
  ]);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, annotations: Object.fromEntries(prefixed) },
    spec: { ingressClassName: className, rules, tls, defaultBackend },
  };
}

/** The events of an Ingress: `REASON message`. */
export async function eventsOf(cluster: TestCluster, name: string): Promise<string[]> {
  const { items } = await cluster.get<{ items: { reason: string; message: string }[] }>(
    'events',
    '--field-selector',
    `involvedObject.kind=Ingress,involvedObject.name=${name}`,
  );
  return items.map(({ reason, message }) => `${reason} ${message}`);
}
