import { parseDuration } from '../base/duration.ts';
import type { ResourceList } from './resources.ts';
import type { ShutdownPeriod } from './shutdown/periods.ts';

/**
 * What may be chosen of a kubelet, under the names and with the units of Kubernetes' `KubeletConfiguration`
 * (kubelet.config.k8s.io/v1beta1). Durations are written as Go does: `5m`.
 */
export interface KubeletSettings {
  readonly maxPods?: number;
  /** Processes that a pod may have; -1: no limit. */
  readonly podPidsLimit?: number;
  /** Kept back from pods: a node's allocatable is its capacity without them and without the hard threshold. */
  readonly systemReserved?: ResourceList;
  readonly kubeReserved?: ResourceList;
  /** By signal: a quantity (`100Mi`) or a share (`10%`). */
  readonly evictionHard?: Readonly<Record<string, string>>;
  readonly evictionSoft?: Readonly<Record<string, string>>;
  readonly evictionSoftGracePeriod?: Readonly<Record<string, string>>;
  readonly evictionMinimumReclaim?: Readonly<Record<string, string>>;
  readonly evictionPressureTransitionPeriod?: string;
  /** Seconds that a pod has to end at a soft threshold. */
  readonly evictionMaxPodGracePeriod?: number;
  readonly imageGCHighThresholdPercent?: number;
  readonly imageGCLowThresholdPercent?: number;
  readonly imageMinimumGCAge?: string;
  /** Names, or prefixes with a `*` at their end. */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** Whether the process that ran out of memory ends alone, as it does with cgroup v1 whatever is chosen. */
  readonly singleProcessOOMKill?: boolean;
  /** Folder of manifests that run on this node without an API server. */
  readonly staticPodPath?: string;
  /** What the node's pods have to end when it shuts down; of it the last part is for critical pods alone. */
  readonly shutdownGracePeriod?: string;
  readonly shutdownGracePeriodCriticalPods?: string;
  /** Instead of both: by priority. */
  readonly shutdownGracePeriodByPodPriority?: readonly ShutdownPeriod[];
}

/**
 * What holds where nothing was chosen. Nodes share this machine's disks, and a disk that is nearly full is no reason to
 * end all pods of all clusters on it: what looks at disks is off until it is asked for (as in kind), the rest is as in
 * Kubernetes.
 */
const DEFAULTS = {
  maxPods: 110,
  podPidsLimit: -1,
  systemReserved: {},
  kubeReserved: {},
  evictionHard: { 'memory.available': '100Mi' },
  evictionSoft: {},
  evictionSoftGracePeriod: {},
  evictionMinimumReclaim: {},
  evictionPressureTransitionPeriod: '5m',
  evictionMaxPodGracePeriod: 0,
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 80,
  imageMinimumGCAge: '2m',
  allowedUnsafeSysctls: [],
  singleProcessOOMKill: false,
  staticPodPath: '',
  shutdownGracePeriod: '0s',
  shutdownGracePeriodCriticalPods: '0s',
  shutdownGracePeriodByPodPriority: [],
} satisfies Required<KubeletSettings>;

export type ResolvedSettings = Required<KubeletSettings>;

export const resolveSettings = (chosen: KubeletSettings = {}): ResolvedSettings => ({ ...DEFAULTS, ...chosen });

/** In ms. What is no duration was refused when the cluster file was read. */
export const durationOf = (text: string): number => parseDuration(text) ?? 0;
