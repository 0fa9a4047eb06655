import type { ContainerStatus, Job, Pod } from '../../api/types.ts';
import { keyOf } from '../../client/cache.ts';
import { INDEX } from './indexes.ts';

type Rule = NonNullable<NonNullable<Job['spec']>['podFailurePolicy']>['rules'][number];

/** What a failed pod means to its job. */
export interface Verdict {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  /** Why, for the job's condition. */
  readonly message: string;
}

const counted: Verdict = { action: 'Count', message: '' };

/** The first rule of the job's `podFailurePolicy` that speaks of the pod; without any it counts. */
export function verdictOn(job: Job, pod: Pod): Verdict {
  for (const [at, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const why = matchOf(rule, pod);
    const message = `${why} matching ${rule.action} rule at index ${at}`;
    if (why !== undefined) return { action: rule.action as Verdict['action'], message };
  }
  return counted;
}

function matchOf({ onExitCodes, onPodConditions = [] }: Rule, pod: Pod): string | undefined {
  if (onExitCodes) {
    const { containerName, operator, values } = onExitCodes;
    for (const container of endedContainers(pod)) {
      const code = container.state?.terminated?.exitCode ?? 0;
      if (code === 0 || (containerName && containerName !== container.name)) continue;
      if (values.includes(code) === (operator === 'In')) {
        return `Container ${container.name} for pod ${keyOf(pod)} failed with exit code ${code}`;
      }
    }
    return undefined;
  }
  const wanted = pod.status?.conditions?.find((condition) =>
    onPodConditions.some(({ type, status = 'True' }) => type === condition.type && status === condition.status),
  );
  return wanted && `Pod ${keyOf(pod)} has condition ${wanted.type}`;
}

function endedContainers({ status }: Pod): ContainerStatus[] {
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  return all.filter(({ state }) => state?.terminated);
}

/** Of pods of a job with `backoffLimitPerIndex`: how often the index had failed before. */
export const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count';

export const failuresBefore = (pod: Pod): number => Number(pod.metadata?.annotations?.[FAILURE_COUNT] ?? 0) || 0;

/** How often its index has failed with this pod. */
export const failuresWith = (job: Job, pod: Pod): number =>
  failuresBefore(pod) + (verdictOn(job, pod).action === 'Ignore' ? 0 : 1);

/** Whether a failed pod is the last that its index gets. */
export function failsIndex(job: Job, pod: Pod): boolean {
  const { action } = verdictOn(job, pod);
  if (action === 'FailIndex') return true;
  return action !== 'Ignore' && failuresBefore(pod) >= (job.spec?.backoffLimitPerIndex ?? Number.POSITIVE_INFINITY);
}

/** A container learns its index by this variable. */
export const indexVariable = {
  name: 'JOB_COMPLETION_INDEX',
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.annotations['${INDEX}']` } },
};
