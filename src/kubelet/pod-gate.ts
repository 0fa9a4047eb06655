import { nodes } from '../api/resource.ts';
import type { Node, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Client } from '../client/client.ts';
import { type AdmissionContext, type Rejection, shortagesOf, whyNotAdmitted } from './admission.ts';
import { isCritical } from './critical.ts';
import { hasEnded } from './pod-change.ts';
import { choosePreempted } from './preemption.ts';

/** Lets pods onto the node, each once. */
export interface PodGate {
  /**
   * Why the pod must not run here, or nothing; then it takes room from now on. Resolves when the pods have ended that go
   * for a critical one.
   */
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
  /** Ends a pod for good, so that a critical one has room. */
  preempt(pod: Pod): Promise<void>;
}

export function createPodGate(options: PodGateOptions): PodGate {
  const admitted = new Set<string>();
  /** Pods that are being ended for critical ones: their room is given away. */
  const leaving = new Set<string>();
  // What was let in by a kubelet before this one has a start time.
  const takesRoom = ({ metadata, status }: Pod) => {
    const { uid = '' } = metadata ?? {};
    return !hasEnded(status?.phase) && !leaving.has(uid) && (admitted.has(uid) || status?.startTime !== undefined);
  };
  return {
    async admit(pod) {
      const uid = pod.metadata?.uid ?? '';
      const node = await nodeFor(pod, options);
      // From here on nothing is awaited: two pods at once must not both get the last place.
      const others = options.pods().filter((other) => other.metadata?.uid !== uid && takesRoom(other));
      const { allocatable, allowedUnsafeSysctls } = options;
      const context = { allocatable, allowedUnsafeSysctls, node, others };
      const rejection = options.rejected(pod) ?? whyNotAdmitted(pod, context);
      if (rejection) return rejection;
      const preempted = isCritical(pod) ? preemptedBy(pod, context) : [];
      if ('reason' in preempted) return preempted;
      admitted.add(uid);
      for (const { metadata } of preempted) leaving.add(metadata?.uid ?? '');
      for (const other of preempted) await options.preempt(other);
      return undefined;
    },
    forget(uid) {
      admitted.delete(uid);
      leaving.delete(uid);
    },
  };
}

function preemptedBy(pod: Pod, context: AdmissionContext): readonly Pod[] | Rejection {
  try {
    return choosePreempted(pod, context.others, shortagesOf(pod, context));
  } catch (error) {
    const what = 'Unexpected error while attempting to recover from admission failure: preemption';
    const message = `${what}: error finding a set of pods to preempt: ${messageOf(error)}`;
    return { reason: 'UnexpectedAdmissionError', message };
  }
}

/** Its labels may have changed a moment ago; most pods do not ask for any. */
async function nodeFor(pod: Pod, { client, nodeName }: PodGateOptions): Promise<Node> {
  const { nodeSelector, affinity } = pod.spec ?? {};
  const asks = nodeSelector || affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (asks) return await client.get(nodes, { name: nodeName });
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } };
}
