import { readFile } from 'node:fs/promises';
import { urlHost } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { Transport } from './client.ts';
import { httpsTransport } from './https.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface InClusterOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Directory of `ca.crt` and `token`. */
  readonly serviceAccount?: string;
}

/** As a pod reaches its API server: the addresses that the kubelet put in the environment, the mounted token. */
export async function inClusterTransport(options: InClusterOptions = {}): Promise<Transport> {
  const { env = process.env, serviceAccount = SERVICE_ACCOUNT } = options;
  const host = env.KUBERNETES_SERVICE_HOST;
  if (!host) {
    throw new KnitError(
      'NOT_IN_CLUSTER',
      'KUBERNETES_SERVICE_HOST is not set: this is no pod of a cluster',
      'use a kubeconfig instead',
    );
  }
  const port = env.KUBERNETES_SERVICE_PORT ?? '443';
  return httpsTransport({
    server: `https://${urlHost(host)}:${port}`,
    ca: await readFile(`${serviceAccount}/ca.crt`, 'utf8'),
    tokenFile: `${serviceAccount}/token`,
  });
}
