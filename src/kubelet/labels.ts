import { createHash } from 'node:crypto';
import type { Container, Pod } from '../api/types.ts';

/**
 * What the kubelet writes on sandboxes and containers, and finds them by after it was started anew. The keys are the
 * kubelet's own, so that `crictl` and other tools know them.
 */
export const label = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export const annotation = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  /** `resources` of the container as it was started. */
  resources: 'knit.dev/container.resources',
  preStop: 'io.kubernetes.container.preStopHandler',
  gracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
} as const;

export function podLabels(pod: Pod): Record<string, string> {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return { [label.podName]: name, [label.podNamespace]: namespace, [label.podUid]: uid };
}

/** Changes when a running container no longer is what the pod asks for. Only the image of a pod can be changed. */
export function containerHash(container: Pick<Container, 'name' | 'image'>): string {
  const identity = JSON.stringify([container.name, container.image]);
  return createHash('sha256').update(identity).digest('hex').slice(0, 8);
}
