import { join } from 'node:path';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { GatewayController } from '../edge/gateway/index.ts';
import { IngressController, type ProxyFiles, type ProxyPlace, proxyFiles, SharedProxy } from '../edge/ingress/index.ts';
import {
  type IngressMachine,
  ingressMachineRuns,
  reachIngressMachine,
  startIngressMachine,
  stopIngressMachine,
} from '../machine/ingress.ts';
import { type ClusterConfig, contextName, familiesOf } from './config.ts';
import { findCommand } from './doctor.ts';
import { type IngressOverlay, ingressOverlay } from './overlay.ts';
import { clusterPaths } from './paths.ts';
import { readIdentity } from './pki-files.ts';
import { clusterCgroup } from './running.ts';

interface IngressOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
}

/** Serves the cluster's Ingresses and Gateways; runs in the server. */
export async function startIngress(config: ClusterConfig, options: IngressOptions): Promise<Running> {
  const families = familiesOf(config);
  const machine = machineOf(config);
  const overlay = ingressOverlay(config, options);
  if (ingressMachineRuns(machine)) await overlay.follow();
  const addresses = families.map(({ ingress }) => ingress);
  const proxy = new SharedProxy({
    log: options.log,
    addresses,
    files: ingressFiles(config.name),
    place: placeOf(machine, overlay),
    connectTimeoutMs: connectTimeoutMs(config),
    defaultCertificate: () => defaultCertificate(config.name),
    metricsFor: [...families.flatMap(({ podCIDR, nodeCIDR }) => [podCIDR, nodeCIDR]), config.addresses.host.host],
  });
  const changed = () => proxy.changed();
  const frontEnds = [
    new IngressController({ ...options, addresses, changed }),
    new GatewayController({ ...options, changed }),
  ];
  await options.informers.start();
  proxy.start(...frontEnds);
  return {
    async stop() {
      await proxy.stop();
      await overlay.stop();
    },
  };
}

/** Where the Ingress proxy keeps its files, its logs among them. */
export function ingressFiles(cluster: string): ProxyFiles {
  const paths = clusterPaths(cluster);
  return proxyFiles(paths.ingress, join(paths.logs, 'ingress'));
}

function machineOf(config: ClusterConfig): IngressMachine {
  const files = ingressFiles(config.name);
  return {
    prefix: contextName(config.name),
    links: familiesOf(config).map(({ ingress, fabric }) => ({ address: ingress, gateway: fabric })),
    cgroup: `${clusterCgroup(config.name)}/ingress`,
    folder: files.folder,
    log: files.log,
  };
}

function placeOf(machine: IngressMachine, overlay: IngressOverlay): ProxyPlace {
  return {
    runs: () => ingressMachineRuns(machine),
    start: async (command) => {
      if (findCommand('haproxy') === undefined) {
        throw new KnitError('COMMAND_MISSING', 'HAProxy is not installed', 'install the package haproxy');
      }
      await startIngressMachine(machine, command);
      await overlay.follow();
    },
    reach: async (addresses) => {
      if (ingressMachineRuns(machine)) await reachIngressMachine(machine, addresses);
    },
    stop: async () => {
      await overlay.stop();
      await stopIngressMachine(machine);
    },
  };
}

/**
 * Whoever asks for a pod of a dead node hears of it from the fabric, but where packets are tunnelled: there it is silence
 * that tells, and it is not waited for until the first packet would be sent again.
 */
function connectTimeoutMs({ spec }: ClusterConfig): number {
  return spec.network.podNetwork === 'vxlan' ? 400 : 1500;
}

/** Issued by `knit up`. */
function defaultCertificate(cluster: string): string {
  const { cert, key } = readIdentity(clusterPaths(cluster).pki, 'ingress') ?? { cert: '', key: '' };
  return `${cert.trim()}\n${key.trim()}\n`;
}
