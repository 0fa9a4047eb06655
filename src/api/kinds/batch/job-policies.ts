import type { FieldError } from '../../kind.ts';
import type { JobSpec } from '../../types.ts';
import { all, duplicate, each, invalid, notSupported, oneOf, required, ruled, tooLong, tooMany } from '../errors.ts';
import { qualifiedName } from '../names.ts';
import { countIndexes } from './indexes.ts';

type FailureRule = NonNullable<JobSpec['podFailurePolicy']>['rules'][number];
type ExitCodes = NonNullable<FailureRule['onExitCodes']>;
type Condition = NonNullable<FailureRule['onPodConditions']>[number];
type SuccessRule = NonNullable<JobSpec['successPolicy']>['rules'][number];

/** How many indexes a job may have, fail, and work on at once, and how many once it has more than `many`. */
const limits = { parallelism: 100_000, failedIndexes: 100_000, many: 100_000, ofMany: 10_000 };
const maxRules = 20;
const maxConditions = 20;
const maxExitCodes = 255;
const maxIndexesBytes = 64 * 1024;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];
const replacements = ['Failed', 'TerminatingOrFailed'];

/** What depends on whether the job's pods are told apart by an index. */
export function validateIndexing(spec: JobSpec, field: string): FieldError[] {
  const { completionMode, backoffLimitPerIndex, maxFailedIndexes } = spec;
  const isWithoutLimit = maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined;
  return all(
    isWithoutLimit && [required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')],
    completionMode !== undefined && oneOf(`${field}.completionMode`, completionMode, ['NonIndexed', 'Indexed']),
    completionMode === 'Indexed' && validateIndexed(spec, field),
    (completionMode ?? 'NonIndexed') === 'NonIndexed' &&
      (['backoffLimitPerIndex', 'maxFailedIndexes'] as const).flatMap((key) =>
        spec[key] === undefined ? [] : [invalid(`${field}.${key}`, spec[key], 'requires indexed completion mode')],
      ),
  );
}

function validateIndexed(spec: JobSpec, field: string): FieldError[] {
  const { completions, parallelism = 0, maxFailedIndexes: failed = 0, backoffLimitPerIndex } = spec;
  const wide = `must be less than or equal to ${limits.parallelism} when completion mode is Indexed`;
  const isMany = (completions ?? 0) > limits.many && backoffLimitPerIndex !== undefined;
  return all(
    completions === undefined && [required(`${field}.completions`, 'when completion mode is Indexed')],
    parallelism > limits.parallelism && [invalid(`${field}.parallelism`, parallelism, wide)],
    completions !== undefined &&
      failed > completions && [
        invalid(`${field}.maxFailedIndexes`, failed, 'must be less than or equal to completions'),
      ],
    failed > limits.failedIndexes && [
      invalid(`${field}.maxFailedIndexes`, failed, `must be less than or equal to ${limits.failedIndexes}`),
    ],
    isMany && validateMany(spec, field),
  );
}

function validateMany({ parallelism = 0, maxFailedIndexes }: JobSpec, field: string): FieldError[] {
  const detail = `must be less than or equal to ${limits.ofMany} when completions are above ${limits.many} and used with backoff limit per index`;
  return all(
    maxFailedIndexes === undefined && [
      required(`${field}.maxFailedIndexes`, `must be specified when completions is above ${limits.many}`),
    ],
    parallelism > limits.ofMany && [invalid(`${field}.parallelism`, parallelism, detail)],
    (maxFailedIndexes ?? 0) > limits.ofMany && [invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, detail)],
  );
}

/** When pods that failed are replaced, when they fail the job, and when it is done early. */
export function validateJobPolicies(spec: JobSpec, field: string): FieldError[] {
  const { podReplacementPolicy: replaced, podFailurePolicy, successPolicy } = spec;
  const success = `${field}.successPolicy`;
  const supported = podFailurePolicy ? ['Failed'] : replacements;
  return all(
    podFailurePolicy && validateFailureRules(spec, podFailurePolicy.rules ?? [], `${field}.podFailurePolicy.rules`),
    successPolicy &&
      (spec.completionMode === 'Indexed'
        ? validateSuccessRules(successPolicy.rules ?? [], spec.completions, `${success}.rules`)
        : [invalid(success, successInGo(successPolicy.rules ?? []), 'requires indexed completion mode')]),
    replaced !== undefined && oneOf(`${field}.podReplacementPolicy`, replaced, supported),
  );
}

function validateFailureRules(spec: JobSpec, rules: readonly FailureRule[], field: string): FieldError[] {
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = [...containers, ...initContainers].map(({ name }) => name);
  return all(
    rules.length > maxRules && [tooMany(field, rules.length, maxRules)],
    each(rules, field, ({ action, onExitCodes, onPodConditions = [] }, at) =>
      all(
        validateAction(action, spec, `${at}.action`),
        onExitCodes && validateExitCodes(onExitCodes, names, `${at}.onExitCodes`),
        onPodConditions.length > maxConditions && [
          tooMany(`${at}.onPodConditions`, onPodConditions.length, maxConditions),
        ],
        each(onPodConditions, `${at}.onPodConditions`, validateCondition),
        validateOneCause(onExitCodes !== undefined, onPodConditions.length > 0, at),
      ),
    ),
  );
}

/** The values of a fixed set as Go's `%q` prints them. */
const quoted = (values: readonly string[]) => `valid values: [${values.map((one) => `"${one}"`).join(' ')}]`;

function validateChoice(value: string | undefined, supported: readonly string[], field: string): FieldError[] {
  if (!value) return [required(field, quoted(supported))];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

function validateAction(action: string | undefined, spec: JobSpec, field: string): FieldError[] {
  if (action !== 'FailIndex' || spec.backoffLimitPerIndex !== undefined) return validateChoice(action, actions, field);
  return [invalid(field, action, 'requires the backoffLimitPerIndex to be set')];
}

function validateOneCause(codes: boolean, conditions: boolean, field: string): FieldError[] {
  if (codes !== conditions) return [];
  const which = codes ? 'specifying both' : 'specifying one of';
  const message = `Invalid value: ${which} OnExitCodes and OnPodConditions is ${codes ? 'not supported' : 'required'}`;
  return [{ reason: 'FieldValueInvalid', field, message }];
}

function validateExitCodes(codes: ExitCodes, names: readonly string[], field: string): FieldError[] {
  const { operator, containerName } = codes;
  const values = codes.values ?? [];
  const at = `${field}.values`;
  const isOrdered = values.every((value, i) => i === 0 || values[i - 1]! <= value);
  const stranger = 'must be one of the container or initContainer names in the pod template';
  return all(
    validateChoice(operator, operators, `${field}.operator`),
    containerName !== undefined &&
      !names.includes(containerName) && [invalid(`${field}.containerName`, containerName, stranger)],
    values.length === 0 && [invalid(at, codes.values ?? null, 'at least one value is required')],
    values.length > maxExitCodes && [tooMany(at, values.length, maxExitCodes)],
    each(values, at, (value, one, i) =>
      all(
        operator === 'In' && value === 0 && [invalid(one, value, 'must not be 0 for the In operator')],
        values.indexOf(value) < i && [duplicate(one, value)],
      ),
    ),
    !isOrdered && [invalid(at, values, 'must be ordered')],
  );
}

function validateCondition({ type = '', status }: Condition, field: string): FieldError[] {
  return all(ruled(`${field}.type`, type, qualifiedName), validateChoice(status, statuses, `${field}.status`));
}

function validateSuccessRules(rules: readonly SuccessRule[], completions = 0, field: string): FieldError[] {
  return all(
    rules.length === 0 && [required(field, 'at least one rules must be specified when the successPolicy is specified')],
    rules.length > maxRules && [tooMany(field, rules.length, maxRules)],
    each(rules, field, (rule, at) => validateSuccessRule(rule, completions, at)),
  );
}

function validateSuccessRule(rule: SuccessRule, completions: number, field: string): FieldError[] {
  const { succeededCount: count, succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined) {
    return [required(field, 'at least one of succeededCount or succeededIndexes must be specified')];
  }
  const at = `${field}.succeededIndexes`;
  const total = indexes === undefined ? undefined : countIndexes(indexes, completions);
  return all(
    Buffer.byteLength(indexes ?? '') > maxIndexesBytes && [tooLong(at, maxIndexesBytes)],
    typeof total === 'string' && [invalid(at, indexes, `error parsing succeededIndexes: ${total}`)],
    count !== undefined &&
      validateCount(count, completions, typeof total === 'string' ? 0 : total, `${field}.succeededCount`),
  );
}

function validateCount(count: number, completions: number, indexes: number | undefined, field: string): FieldError[] {
  const atMost = (max: number, what: string) =>
    count > max ? [invalid(field, count, `must be less than or equal to ${max} (the number of ${what})`)] : [];
  return all(
    count < 0 && [invalid(field, count, 'must be greater than or equal to 0')],
    atMost(completions, 'specified completions'),
    indexes !== undefined && atMost(indexes, 'indexes in the specified succeededIndexes field'),
  );
}

/** The rules as Go's JSON shows them in messages. */
function successInGo(rules: readonly SuccessRule[]): object {
  const inGo = rules.map(({ succeededIndexes = null, succeededCount = null }) => ({
    SucceededIndexes: succeededIndexes,
    SucceededCount: succeededCount,
  }));
  return { Rules: rules.length > 0 ? inGo : null };
}
