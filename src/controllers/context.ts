import type { IPFamily } from '../base/cidr.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { Controller, ControllerOptions } from '../client/controller.ts';
import type { EventRecorder } from '../client/events.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { CertificateSigner } from './certificates/signers.ts';
import type { LocalVolumes } from './volumes/provisioner.ts';

export interface ControllersOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** Networks of all pods, one a family, the first one first: `10.244.0.0/16`. */
  readonly podCIDRs: readonly string[];
  /** Length of a node's part of it, by family. Default 24 and 64. */
  readonly nodeCIDRMaskSize?: Readonly<Record<IPFamily, number>>;
  /** PEM of the CA that pods use to know the API server. */
  readonly rootCA: string;
  /** Where volumes of the class `standard` are. Left out: nobody makes any. */
  readonly localVolumes?: LocalVolumes;
  /** The cluster's CA. Left out: nobody signs certificates. */
  readonly signer?: CertificateSigner;
  /** A node that was silent for so long is not ready. Default 40,000, as kube-controller-manager. */
  readonly nodeMonitorGracePeriodMs?: number;
  /** Pods of a node that is gone stay for so long: it may be coming back. Default 10,000. */
  readonly orphanedPodGracePeriodMs?: number;
  /** A deleted ServiceCIDR stays at least for so long. Default 10,000, as kube-controller-manager. */
  readonly serviceCIDRGracePeriodMs?: number;
  /** So many pods that ended may stay. Default 12,500. */
  readonly terminatedPodThreshold?: number;
}

/** What a controller is made of. */
export interface ControllerContext extends ControllersOptions {
  events(component: string): EventRecorder;
  /** Starts the workers of a controller, whose metrics then count among all controllers'. */
  run(options: Omit<ControllerOptions, 'log'>): Controller;
}
