import type { Pod } from '../api/types.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { Backoff } from './backoff.ts';
import type { CriClient } from './cri/client.ts';
import type { ConfigSource } from './env.ts';
import type { ImagePuller } from './images.ts';
import type { KubeletPaths } from './paths.ts';
import type { ClusterDNS } from './pod-dns.ts';
import type { PodEvents } from './pod-events.ts';
import type { PodGate } from './pod-gate.ts';
import type { AddressCache, ExitedCache } from './pod-runtime.ts';
import type { Prober } from './probes/prober.ts';
import type { ContainerLimits, ResourceList } from './resources.ts';
import type { Terminations } from './terminations.ts';
import type { ClaimSource } from './volumes/claims.ts';
import type { TokenSource } from './volumes/tokens.ts';

/** What all pods of a node share. */
export interface KubeletContext {
  readonly client: Client;
  readonly log: Log;
  readonly cri: CriClient;
  readonly criSocket: string;
  /** Fires when the kubelet stops: what waits gives up, and leaves the rest to the next kubelet. */
  readonly stopping: AbortSignal;
  readonly paths: KubeletPaths;
  readonly events: PodEvents;
  readonly images: ImagePuller;
  readonly prober: Prober;
  readonly config: ConfigSource;
  readonly tokens: TokenSource;
  readonly claims: ClaimSource;
  readonly gate: PodGate;
  readonly restarts: Backoff;
  readonly terminations: Terminations;
  readonly exited: ExitedCache;
  readonly addresses: AddressCache;
  /** See {@link KubeletOptions.imagesReady}. */
  readonly imagesReady: Promise<void>;
  readonly nodeIPs: readonly string[];
  readonly cgroupParent: string;
  readonly dns: ClusterDNS;
  readonly allocatable: ResourceList;
  readonly limits: ContainerLimits;
  /** As it was told last. */
  nodeIsReady(): boolean;
  /** The other pods that take room on this node. */
  otherPods(pod: Pod): readonly Pod[];
  /** See {@link KubeletOptions.podStarts}. */
  podStarts(pod: Pod, podIPs: readonly string[]): Promise<void>;
  podEnds(pod: Pod): void;
  /** Variables of the Services that a pod of this namespace sees. Throws while Services were not read yet. */
  serviceEnv(namespace: string, enableServiceLinks: boolean): Readonly<Record<string, string>>;
}
