import { join } from 'node:path';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { type ProxyFiles, type ProxyPlace, proxyFiles, startIngressController } from '../edge/ingress/index.ts';
import {
  type IngressMachine,
  ingressMachineRuns,
  startIngressMachine,
  stopIngressMachine,
} from '../machine/ingress.ts';
import { type ClusterConfig, contextName, familiesOf } from './config.ts';
import { findCommand } from './doctor.ts';
import { clusterCgroup } from './node.ts';
import { clusterPaths } from './paths.ts';
import { readIdentity } from './pki-files.ts';

/** Serves the cluster's Ingresses; runs in the server. */
export async function startIngress(
  config: ClusterConfig,
  options: { readonly client: Client; readonly informers: InformerFactory; readonly log: Log },
): Promise<Running> {
  const families = familiesOf(config);
  return await startIngressController({
    ...options,
    addresses: families.map(({ ingress }) => ingress),
    files: ingressFiles(config.name),
    place: placeOf(config),
    defaultCertificate: () => defaultCertificate(config.name),
    metricsFor: [...families.flatMap(({ podCIDR, nodeCIDR }) => [podCIDR, nodeCIDR]), config.addresses.host.host],
  });
}

/** Where the Ingress proxy keeps its files, its logs among them. */
export function ingressFiles(cluster: string): ProxyFiles {
  const paths = clusterPaths(cluster);
  return proxyFiles(paths.ingress, join(paths.logs, 'ingress'));
}

function placeOf(config: ClusterConfig): ProxyPlace {
  const files = ingressFiles(config.name);
  const machine: IngressMachine = {
    prefix: contextName(config.name),
    links: familiesOf(config).map(({ ingress, fabric }) => ({ address: ingress, gateway: fabric })),
    cgroup: `${clusterCgroup(config.name)}/ingress`,
    folder: files.folder,
    log: files.log,
  };
  return {
    runs: () => ingressMachineRuns(machine),
    start: async (command) => {
      if (findCommand('haproxy') === undefined) {
        throw new KnitError('COMMAND_MISSING', 'HAProxy is not installed', 'install the package haproxy');
      }
      await startIngressMachine(machine, command);
    },
    stop: () => stopIngressMachine(machine),
  };
}

/** Issued by `knit up`. */
function defaultCertificate(cluster: string): string {
  const { cert, key } = readIdentity(clusterPaths(cluster).pki, 'ingress') ?? { cert: '', key: '' };
  return `${cert.trim()}\n${key.trim()}\n`;
}
