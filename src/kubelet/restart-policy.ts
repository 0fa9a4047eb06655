import type { Container, Pod } from '../api/types.ts';
import type { ContainerRecord } from './pod-runtime.ts';

type Rule = NonNullable<Container['restartPolicyRules']>[number];

/** Whether a container that has ended so is started again: by its own rules, its own policy, or the pod's (KEP-5307). */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  const own = container.restartPolicy;
  const rule = own ? matchingRule(container, exitCode) : undefined;
  if (rule?.action === 'Restart' || rule?.action === 'RestartAllContainers') return true;
  const policy = own || pod.spec?.restartPolicy || 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

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
export const mayRestartAll = (pod: Pod): boolean =>
  containersOf(pod).some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  );

/** What runs in a pod, without those that only look. */
export const containersOf = (pod: Pod): readonly Container[] => [
  ...(pod.spec?.containers ?? []),
  ...(pod.spec?.initContainers ?? []),
];

/** The first rule counts. */
function matchingRule(container: Container, exitCode: number): Rule | undefined {
  return container.restartPolicyRules?.find(({ exitCodes }) => {
    if (!exitCodes) return false;
    const isListed = (exitCodes.values ?? []).includes(exitCode);
    return exitCodes.operator === 'In' ? isListed : exitCodes.operator === 'NotIn' && !isListed;
  });
}
