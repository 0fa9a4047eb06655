import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KnitError } from '../base/errors.ts';
import type { Transport } from '../client/client.ts';

/** Where commands for any cluster look for it, for their `--kubeconfig`. */
export const kubeconfigDefault = "default: $KUBECONFIG, a pod's own account, ~/.kube/config";

/** Reaches the API server of any cluster. `context`: default the kubeconfig's current one. */
export async function reachApiServer(kubeconfig: string | undefined, context?: string): Promise<Transport> {
  const path = kubeconfig ?? process.env.KUBECONFIG ?? '';
  const { transportFromKubeconfig } = await import('../client/kubeconfig.ts');
  if (path !== '') return await transportFromKubeconfig(path, context);
  if (process.env.KUBERNETES_SERVICE_HOST) {
    const { inClusterTransport } = await import('../client/incluster.ts');
    return await inClusterTransport();
  }
  const standard = join(homedir(), '.kube/config');
  if (existsSync(standard)) return await transportFromKubeconfig(standard, context);
  throw new KnitError('KUBECONFIG_MISSING', 'no cluster is named', 'say which with --kubeconfig FILE');
}
