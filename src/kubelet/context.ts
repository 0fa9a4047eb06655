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
import type { ExitedCache } from './pod-runtime.ts';
import type { Prober } from './probes/prober.ts';
import type { ResourceList } from './resources.ts';
import type { ClaimSource } from './volumes/claims.ts';
import type { TokenSource } from './volumes/tokens.ts';

/** What all pods of a node share. */
export interface KubeletContext {
  readonly client: Client;
  readonly log: Log;
  readonly cri: CriClient;
  /** Fires when the kubelet stops: what waits gives up, and leaves the rest to the next kubelet. */
  readonly stopping: AbortSignal;
  readonly paths: KubeletPaths;
  readonly events: PodEvents;
  readonly images: ImagePuller;
  readonly prober: Prober;
  readonly config: ConfigSource;
  readonly tokens: TokenSource;
  readonly claims: ClaimSource;
  readonly restarts: Backoff;
  readonly exited: ExitedCache;
  /** See {@link KubeletOptions.imagesReady}. */
  readonly imagesReady: Promise<void>;
  readonly nodeIPs: readonly string[];
  readonly cgroupParent: string;
  readonly dns: ClusterDNS;
  readonly allocatable: ResourceList;
  /** The node's memory in bytes. */
  readonly memoryBytes: number;
  /** The other pods that take room on this node. */
  otherPods(pod: Pod): readonly Pod[];
  /** See {@link KubeletOptions.podStarts}. */
  podStarts(pod: Pod, podIPs: readonly string[]): Promise<void>;
  /** Variables of the Services that a pod of this namespace sees. Throws while Services were not read yet. */
  serviceEnv(namespace: string, enableServiceLinks: boolean): Readonly<Record<string, string>>;
}
