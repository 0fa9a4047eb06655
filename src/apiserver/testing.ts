import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { createLog, type Log } from '../base/log.ts';
import { openMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from './start.ts';

export interface TestApiServer {
  readonly server: ApiServer;
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  readonly ca: string;
  /** Client certificate of a member of `system:masters`. */
  readonly adminCert: string;
  readonly adminKey: string;
  /** A certificate of anybody; with `hosts`, of a server too. */
  certificate(
    name: string,
    groups?: readonly string[],
    hosts?: readonly string[],
  ): Promise<{ cert: string; key: string }>;
  /** Writes a kubeconfig of the administrator. */
  kubeconfig(path: string): void;
  stop(): Promise<void>;
}

export interface TestOptions extends Partial<Omit<ApiServerOptions, 'store' | 'log'>> {
  /** Default: one in memory, which ends with the server. */
  readonly store?: Store;
  /** Default: what is worse than a warning, on standard error. */
  readonly log?: Log;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 60 * 60_000;

/** A real API server on a free port of the loopback, with a CA of its own that lasts an hour. */
export async function startTestApiServer(options: TestOptions = {}): Promise<TestApiServer> {
  const authority = await createAuthority();
  const serving = await authority.issue('kube-apiserver', [], ['127.0.0.1', '10.96.0.1']);
  const admin = await authority.issue('kubernetes-admin', ['system:masters']);
  const frontProxy = await authority.issue('front-proxy-client', []);
  const store = options.store ?? openMemoryStore();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = await startApiServer({
    tls: { ...serving, clientCA: authority.cert },
    frontProxy: { ...frontProxy, ca: authority.cert },
    serviceAccount: {
      signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      issuer: 'https://kubernetes.default.svc.cluster.local',
    },
    serviceCIDRs: ['10.96.0.0/16'],
    nodePortRange: [30000, 32767],
    advertise: { address: '10.89.0.1', port: 6443 },
    listen: [{ host: '127.0.0.1', port: 0 }],
    ...options,
    store,
    log: options.log ?? quietLog(),
  });
  const url = `https://127.0.0.1:${server.addresses[0]?.port}`;
  return {
    server,
    url,
    ca: authority.cert,
    adminCert: admin.cert,
    adminKey: admin.key,
    certificate: (name, groups = [], hosts = []) => authority.issue(name, groups, hosts),
    kubeconfig: (path) => writeFileSync(path, kubeconfigOf(url, authority.cert, admin), { mode: 0o600 }),
    async stop() {
      await server.stop();
      if (!options.store) await store.close();
    },
  };
}

function quietLog(): Log {
  return createLog('test', (line) => {
    if (!line.includes(' INFO ')) process.stderr.write(line);
  });
}

async function createAuthority() {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const validity = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=knit-test',
    keys,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: root.toString('pem'),
    async issue(name: string, groups: readonly string[], hosts: readonly string[] = []) {
      const own = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: [{ CN: [name] }, ...groups.map((group) => ({ O: [group] }))],
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        ...validity,
        extensions: [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension([
            { type: 'dns', value: 'localhost' },
            ...hosts.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
          ]),
        ],
      });
      const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', own.privateKey));
      return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(der, 'PRIVATE KEY') };
    },
  };
}

function kubeconfigOf(url: string, ca: string, admin: { cert: string; key: string }): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    users: [
      {
        name: 'admin',
        user: { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) },
      },
    ],
  });
}
