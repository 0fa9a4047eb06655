import type { FieldError } from '../../kind.ts';
import type { Job } from '../../types.ts';
import { all, duplicate, invalid, required, sameValue } from '../errors.ts';
import { validateNotNegative } from '../workload.ts';
import { countIndexes, overlapOf } from './indexes.ts';

type Status = NonNullable<Job['status']>;

const counts = ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const;
/** Conditions that are not taken back. */
const final = ['Failed', 'Complete', 'FailureTarget'];

/** What a job's controller, knit's or another one, may say of it. What was wrong before and stays as it was is let through. */
export function validateJobStatus(job: Job, old: Job): FieldError[] {
  const [status, before] = [job.status ?? {}, old.status ?? {}];
  return all(
    validateNotNegative(status, counts, 'status'),
    validateUncounted(status),
    validateConditions(job, status, before),
    validateTimes(job, status, before),
    validateFinished(status, before),
    validateIndexes(job, status, before),
    validateTransition(job, status, before),
  );
}

const has = ({ conditions }: Status, type: string, value = 'True') =>
  conditions?.some((one) => one.type === type && one.status === value) ?? false;
const isFinished = (status: Status) => has(status, 'Complete') || has(status, 'Failed');
const changes = <T>(status: T, before: T, read: (status: T) => unknown) => !sameValue(read(status), read(before));

/** Kubernetes shows no value of conditions. */
const wrongConditions = (detail: string): FieldError => ({
  reason: 'FieldValueInvalid',
  field: 'status.conditions',
  message: `Invalid value: ${detail}`,
});

function validateUncounted({ uncountedTerminatedPods: pods }: Status): FieldError[] {
  const seen = new Set<string>();
  return (['succeeded', 'failed'] as const).flatMap((list) =>
    (pods?.[list] ?? []).flatMap((uid, i) => {
      const field = `status.uncountedTerminatedPods.${list}[${i}]`;
      if (uid === '') return [invalid(field, uid, 'must not be empty')];
      if (seen.has(uid)) return [duplicate(field, uid)];
      seen.add(uid);
      return [];
    }),
  );
}

function validateConditions({ spec }: Job, status: Status, before: Status): FieldError[] {
  const [complete, failed] = [has(status, 'Complete'), has(status, 'Failed')];
  const [target, met] = [has(status, 'FailureTarget'), has(status, 'SuccessCriteriaMet')];
  const moves = (type: string) => has(status, type) !== has(before, type);
  const failedIndexesChange = changes(status, before, (one) => one.failedIndexes);
  const wrong = [
    complete &&
      failed &&
      (moves('Complete') || moves('Failed')) &&
      'cannot set Complete=True and Failed=true conditions',
    complete &&
      target &&
      (moves('Complete') || moves('FailureTarget')) &&
      'cannot set Complete=True and FailureTarget=true conditions',
    failed &&
      !target &&
      (moves('Failed') || failedIndexesChange) &&
      'cannot set Failed=True condition without the FailureTarget=true condition',
    complete &&
      !met &&
      (moves('Complete') || moves('SuccessCriteriaMet')) &&
      'cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
    met && failed && 'cannot set SuccessCriteriaMet=True and Failed=true conditions',
    met && target && 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions',
    spec?.successPolicy &&
      complete &&
      !met &&
      'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True',
  ];
  return wrong.flatMap((detail) => (detail ? [wrongConditions(detail)] : []));
}

function validateTimes({ spec }: Job, status: Status, before: Status): FieldError[] {
  const { startTime: start, completionTime: end } = status;
  const complete = has(status, 'Complete');
  const startMoves = changes(status, before, (one) => one.startTime);
  const endMoves = changes(status, before, (one) => one.completionTime);
  const asks = endMoves || complete !== has(before, 'Complete');
  const isEarly = start && end && Date.parse(end) < Date.parse(start);
  const neverRan = spec?.suspend === true && spec.completions === 0;
  const finishes = isFinished(status) !== isFinished(before);
  const without = 'cannot set completionTime when there is no Complete=True condition';
  return all(
    asks && end && !complete && [invalid('status.completionTime', end, without)],
    asks && !end && complete && [required('status.completionTime', 'completionTime is required for Complete jobs')],
    (startMoves || endMoves) &&
      isEarly && [invalid('status.completionTime', end, 'must be equal to or after `startTime`')],
    (finishes || startMoves) &&
      !neverRan &&
      isFinished(status) &&
      !start && [required('status.startTime', 'startTime is required for finished job')],
  );
}

/** Of a job that has ended nothing is left. */
function validateFinished(status: Status, before: Status): FieldError[] {
  const { active = 0, ready = 0, terminating = 0, uncountedTerminatedPods: pods } = status;
  const finished = isFinished(status);
  const finishes = finished !== isFinished(before);
  const moves = (read: (status: Status) => unknown) => finishes || changes(status, before, read);
  const uncounted = (pods?.succeeded ?? []).length + (pods?.failed ?? []).length;
  const inGo = { Succeeded: pods?.succeeded ?? null, Failed: pods?.failed ?? null };
  const readyMoves = changes(status, before, (one) => [one.ready, one.active ?? 0]);
  return all(
    finished &&
      active > 0 &&
      moves((one) => one.active) && [invalid('status.active', active, 'active>0 is invalid for finished job')],
    finished &&
      uncounted > 0 &&
      moves((one) => one.uncountedTerminatedPods) && [
        invalid('status.uncountedTerminatedPods', inGo, 'must be empty for finished job'),
      ],
    finished &&
      terminating > 0 &&
      moves((one) => one.terminating) && [
        invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'),
      ],
    ready > active && readyMoves && [invalid('status.ready', ready, 'cannot set more ready pods than active')],
  );
}

function validateIndexes({ spec }: Job, status: Status, before: Status): FieldError[] {
  const { completedIndexes = '', failedIndexes } = status;
  const { completions, completionMode, backoffLimitPerIndex } = spec ?? {};
  const completedMove = changes(status, before, (one) => one.completedIndexes ?? '');
  const failedMove = changes(status, before, (one) => one.failedIndexes);
  const isCounted = completions !== undefined;
  const errorIn = (name: string, text: string) => {
    const total = isCounted ? countIndexes(text, completions) : 0;
    return typeof total === 'string' ? [invalid(`status.${name}`, text, `error parsing ${name}: ${total}`)] : [];
  };
  const withoutMode = 'cannot set non-empty completedIndexes when non-indexed completion mode';
  const withoutLimit = 'cannot set non-null failedIndexes when backoffLimitPerIndex is null';
  const asks = isCounted && failedIndexes !== undefined && (completedMove || failedMove);
  const overlap = asks ? overlapOf(completedIndexes, failedIndexes, completions) : undefined;
  return all(
    completedMove && errorIn('completedIndexes', completedIndexes),
    failedMove && backoffLimitPerIndex !== undefined && errorIn('failedIndexes', failedIndexes ?? ''),
    completedMove &&
      completedIndexes !== '' &&
      completionMode !== 'Indexed' && [invalid('status.completedIndexes', completedIndexes, withoutMode)],
    failedMove &&
      failedIndexes !== undefined &&
      backoffLimitPerIndex === undefined && [invalid('status.failedIndexes', failedIndexes, withoutLimit)],
    overlap !== undefined && [
      invalid('status.failedIndexes', failedIndexes, `failedIndexes and completedIndexes overlap at index: ${overlap}`),
    ],
  );
}

/** What was said once and holds for good. */
function validateTransition({ spec }: Job, status: Status, before: Status): FieldError[] {
  const { failed = 0, succeeded = 0, completionTime: end, startTime: start } = status;
  const mayShrink = spec?.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  const resumes = has(before, 'Suspended') && has(status, 'Suspended', 'False');
  const startMoves = before.startTime !== undefined && changes(status, before, (one) => one.startTime);
  const endMoves = end !== undefined && before.completionTime !== undefined && end !== before.completionTime;
  const [metBefore, met] = [has(before, 'SuccessCriteriaMet'), has(status, 'SuccessCriteriaMet')];
  const late = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
  return all(
    final
      .filter((type) => has(before, type) && !has(status, type))
      .map((type) => wrongConditions(`cannot disable the terminal ${type}=True condition`)),
    failed < (before.failed ?? 0) && [invalid('status.failed', failed, 'cannot decrease the failed counter')],
    !mayShrink &&
      succeeded < (before.succeeded ?? 0) && [
        invalid('status.succeeded', succeeded, 'cannot decrease the succeeded counter'),
      ],
    endMoves && [invalid('status.completionTime', end, 'field is immutable')],
    startMoves &&
      !resumes &&
      !spec?.suspend && [invalid('status.startTime', start, 'field is immutable for unsuspended job once set')],
    metBefore && !met && [wrongConditions('cannot disable the SuccessCriteriaMet=True condition')],
    has(before, 'Complete') && !metBefore && met && [wrongConditions(late)],
  );
}
