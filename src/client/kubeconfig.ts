import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { KnitError } from '../base/errors.ts';
import type { Transport } from './client.ts';
import { type HttpsOptions, httpsTransport } from './https.ts';

interface Named {
  readonly name: string;
}

interface Cluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
}

interface User {
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly exec?: unknown;
  readonly 'auth-provider'?: unknown;
}

/** What is read of a kubeconfig file; the format is client-go's `clientcmd/api/v1`. */
interface Kubeconfig {
  readonly 'current-context'?: string;
  readonly contexts?: readonly (Named & { readonly context: { readonly cluster?: string; readonly user?: string } })[];
  readonly clusters?: readonly (Named & { readonly cluster: Cluster })[];
  readonly users?: readonly (Named & { readonly user: User })[];
}

/** A transport to the cluster of a context (default: the file's current one). */
export async function transportFromKubeconfig(path: string, context?: string): Promise<Transport> {
  return httpsTransport(await readKubeconfig(path, context));
}

/** What a context says about reaching its server. Throws {@link KnitError} `KUBECONFIG_INVALID`. */
export async function readKubeconfig(path: string, context?: string): Promise<HttpsOptions> {
  const { parse } = await import('yaml'); // who has no kubeconfig is spared it
  const config = (parse(await readFile(path, 'utf8')) ?? {}) as Kubeconfig;
  const wanted = context ?? config['current-context'];
  if (!wanted) throw invalid(path, 'it has no current context', 'name one, or set it with kubectl config use-context');
  const chosen = pick(path, 'context', wanted, config.contexts).context;
  const cluster = pick(path, 'cluster', chosen.cluster ?? '', config.clusters).cluster;
  const user = chosen.user ? pick(path, 'user', chosen.user, config.users).user : {};
  if (!cluster.server) throw invalid(path, `cluster ${chosen.cluster} has no server`);
  if (user.exec || user['auth-provider']) {
    throw invalid(path, `user ${chosen.user} gets credentials from a program`, 'use a certificate or a token');
  }
  // Data in the file wins over a file's name, and names are relative to the file that holds them.
  const pem = async (data: string | undefined, file: string | undefined): Promise<string | undefined> => {
    if (data) return Buffer.from(data, 'base64').toString('utf8');
    return file ? readFile(resolve(dirname(path), file), 'utf8') : undefined;
  };
  return {
    server: cluster.server,
    ca: await pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    cert: await pem(user['client-certificate-data'], user['client-certificate']),
    key: await pem(user['client-key-data'], user['client-key']),
    token: user.token,
    tokenFile: user.tokenFile && resolve(dirname(path), user.tokenFile),
    serverName: cluster['tls-server-name'],
    insecureSkipTLSVerify: cluster['insecure-skip-tls-verify'],
  };
}

function pick<T extends Named>(path: string, what: string, name: string, all: readonly T[] | undefined): T {
  const found = all?.find((one) => one.name === name);
  if (found) return found;
  const names = all?.map((one) => one.name).join(', ') || 'none';
  throw invalid(path, `it has no ${what} named ${name || '""'}`, `it has: ${names}`);
}

function invalid(path: string, problem: string, hint?: string): KnitError {
  return new KnitError('KUBECONFIG_INVALID', `cannot use ${path}: ${problem}`, hint);
}
