import { nodes } from '../api/resource.ts';
import type { Node, Pod } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import { type AdmissionContext, type Rejection, whyNotAdmitted } from './admission.ts';
import { hasEnded } from './pod-change.ts';

/** Lets pods onto the node, each once. */
export interface PodGate {
  /** Why the pod must not run here, or nothing; then it takes room from now on. */
  admit(pod: Pod): Promise<Rejection | undefined>;
  forget(uid: string): void;
}

export interface PodGateOptions extends Pick<AdmissionContext, 'allocatable' | 'allowedUnsafeSysctls'> {
  readonly client: Client;
  readonly nodeName: string;
  /** All pods that are bound to the node. */
  pods(): readonly Pod[];
  /** Why the node takes no pod like this one now: it runs short of something, or shuts down. */
  rejected(pod: Pod): Rejection | undefined;
}

export function createPodGate(options: PodGateOptions): PodGate {
  const admitted = new Set<string>();
  // What was let in by a kubelet before this one has a start time.
  const takesRoom = ({ metadata, status }: Pod) =>
    !hasEnded(status?.phase) && (admitted.has(metadata?.uid ?? '') || status?.startTime !== undefined);
  return {
    async admit(pod) {
      const uid = pod.metadata?.uid ?? '';
      const node = await nodeFor(pod, options);
      // From here on nothing is awaited: two pods at once must not both get the last place.
      const others = options.pods().filter((other) => other.metadata?.uid !== uid && takesRoom(other));
      const { allocatable, allowedUnsafeSysctls } = options;
      const rejection =
        options.rejected(pod) ?? whyNotAdmitted(pod, { allocatable, allowedUnsafeSysctls, node, others });
      if (!rejection) admitted.add(uid);
      return rejection;
    },
    forget: (uid) => admitted.delete(uid),
  };
}

/** Its labels may have changed a moment ago; most pods do not ask for any. */
async function nodeFor(pod: Pod, { client, nodeName }: PodGateOptions): Promise<Node> {
  const { nodeSelector, affinity } = pod.spec ?? {};
  const asks = nodeSelector || affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (asks) return await client.get(nodes, { name: nodeName });
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } };
}
