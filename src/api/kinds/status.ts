import type { FieldError } from '../kind.ts';
import { all, duplicate, each, invalid, oneOf, required, ruled, tooLong } from './errors.ts';
import { conditionReason, qualifiedName } from './names.ts';
import { validateNotNegative } from './workload.ts';

// What statuses of several kinds have in common.

interface Counts {
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
}

/** How many replicas there are: none below zero (`counts`), no part (`parts`) more than the whole. */
export function validateReplicaCounts<T extends Counts>(
  status: T,
  counts: readonly (keyof T & string)[],
  parts: readonly (keyof T & string)[],
  whatIsReady = 'readyReplicas',
): FieldError[] {
  const [whole, ready, available] = [status.replicas ?? 0, status.readyReplicas ?? 0, status.availableReplicas ?? 0];
  const isMore = (part: keyof T) => Number(status[part] ?? 0) > whole;
  const detail = `cannot be greater than ${whatIsReady}`;
  return all(
    validateNotNegative(status, counts, 'status'),
    parts
      .filter(isMore)
      .map((part) => invalid(`status.${part}`, status[part] ?? 0, 'cannot be greater than status.replicas')),
    available > ready && [invalid('status.availableReplicas', available, detail)],
  );
}

/** Collisions of names are only ever counted up. */
export function validateCollisions(now: number | undefined, old: number | undefined): FieldError[] {
  if (old === undefined || (now !== undefined && now >= old)) return [];
  return [invalid('status.collisionCount', now ?? 0, 'cannot be decremented')];
}

interface Condition {
  readonly type?: string;
  readonly status?: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
  readonly reason?: string;
  readonly message?: string;
}

const maxReasonBytes = 1024;
const maxMessageBytes = 32 * 1024;
/** Conditions of the standard form (meta.k8s.io/v1 Condition), each type once. */
export function validateConditions(conditions: readonly Condition[] = [], field: string): FieldError[] {
  return each(conditions, field, (condition, at, i) => {
    const { type = '', observedGeneration = 0, reason = '', message = '' } = condition;
    const negative = 'must be greater than or equal to zero';
    return all(
      isAgain(conditions, i) && [duplicate(`${at}.type`, type)],
      ruled(`${at}.type`, type, qualifiedName),
      oneOf(`${at}.status`, condition.status, ['False', 'True', 'Unknown']),
      observedGeneration < 0 && [invalid(`${at}.observedGeneration`, observedGeneration, negative)],
      !condition.lastTransitionTime && [required(`${at}.lastTransitionTime`)],
      reason ? ruled(`${at}.reason`, reason, conditionReason) : [required(`${at}.reason`)],
      Buffer.byteLength(reason) > maxReasonBytes && [tooLong(`${at}.reason`, maxReasonBytes)],
      Buffer.byteLength(message) > maxMessageBytes && [tooLong(`${at}.message`, maxMessageBytes)],
    );
  });
}

/** The older kind of conditions, of which only the type is looked at. */
export function validateConditionTypes(conditions: readonly Condition[] = [], field: string): FieldError[] {
  return each(conditions, field, ({ type = '' }, at, i) =>
    all(isAgain(conditions, i) && [duplicate(`${at}.type`, type)], type === '' && [required(`${at}.type`)]),
  );
}

const isAgain = (conditions: readonly Condition[], index: number): boolean =>
  conditions.findIndex(({ type }) => type === conditions[index]?.type) < index;
