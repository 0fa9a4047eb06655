import type { Pod } from '../../api/types.ts';
import type { RuntimeView } from '../runtime-view.ts';
import type { ResolvedSettings } from '../settings.ts';
import type { ShutdownRecord } from '../shutdown/record.ts';
import type { NodeUsage } from '../stats.ts';
import type { TerminationCount } from '../terminations.ts';
import { HttpError } from './answer.ts';

/** What the server asks of the kubelet. */
export interface NodeView {
  /** The node's pods with the status that the kubelet would report now. */
  pods(): readonly Pod[];
  readonly runtime: RuntimeView;
  readonly name: string;
  /** What was chosen of the kubelet, and the defaults. */
  readonly settings: ResolvedSettings;
  /** What its containers use; takes a second where nobody has asked for a while. */
  usage(): Promise<NodeUsage>;
  /** Of the node's last graceful shutdown. */
  lastShutdown(): ShutdownRecord;
  /** Containers that have ended since the kubelet was started. */
  terminations(): readonly TerminationCount[];
}

export interface PodName {
  readonly namespace: string;
  readonly pod: string;
}

export interface ContainerName extends PodName {
  readonly container: string;
}

export function findPod(node: NodeView, { namespace, pod }: PodName): Pod {
  const found = node.pods().find(({ metadata }) => metadata?.namespace === namespace && metadata.name === pod);
  if (!found) throw new HttpError(404, `pod "${pod}" does not exist`);
  return found;
}

/** The pod's container of this name, of whichever sort: ordinary, init or ephemeral. */
export function containerSpec(pod: Pod, container: string): { readonly tty?: boolean } | undefined {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers].find(({ name }) => name === container);
}
