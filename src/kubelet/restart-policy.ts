import {
  mayRestartAll as anyRestartsAll,
  matchingRule,
  restartsAfter as rulesRestart,
} from '../api/kinds/podspec/restart.ts';
import type { Container, Pod } from '../api/types.ts';
import type { ContainerRecord } from './pod-runtime.ts';

/** Whether a container that has ended so is started again. */
export const restartsAfter = (pod: Pod, container: Container, exitCode: number): boolean =>
  rulesRestart(container, pod.spec?.restartPolicy, exitCode);

/** The same of what the runtime knows. What has not ended may be started. */
export function mayRestart(pod: Pod, record: ContainerRecord): boolean {
  if (record.state !== 'exited') return true;
  const container = containersOf(pod).find(({ name }) => name === record.name) ?? { name: record.name };
  return restartsAfter(pod, container, record.status.exitCode);
}

/** Whether a container is started again that the kubelet ends: there is no exit code that a rule could speak of. */
export const restartsWhenKilled = (pod: Pod, container: Container): boolean =>
  (container.restartPolicy || pod.spec?.restartPolicy) !== 'Never';

/** Whether all of the pod's containers start anew, the init containers first, because this one has ended so (KEP-5532). */
export const restartsAll = (container: Container, exitCode: number): boolean =>
  matchingRule(container, exitCode)?.action === 'RestartAllContainers';

/** Whether that may ever happen to this pod. */
export const mayRestartAll = (pod: Pod): boolean => anyRestartsAll(containersOf(pod));

/** What runs in a pod, without those that only look. */
export const containersOf = (pod: Pod): readonly Container[] => [
  ...(pod.spec?.containers ?? []),
  ...(pod.spec?.initContainers ?? []),
];
