import type { FieldError } from '../../kind.ts';
import type { Container, PodSpec } from '../../types.ts';
import { all, each, forbidden, invalid, sameValue } from '../errors.ts';
import { validateGatedPlacement } from './gated-update.ts';

const maxInt32 = 2147483647;
const lists = ['containers', 'initContainers'] as const;

/** Of a pod that exists, only images, the active deadline, new tolerations and fewer scheduling gates may be written. */
export function validatePodSpecUpdate(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const images: FieldError[] = [];
  for (const list of lists) {
    if ((spec[list] ?? []).length !== (old[list] ?? []).length) {
      return [...images, forbidden(`${field}.${list}`, 'pod updates may not add or remove containers')];
    }
    images.push(...each(spec[list], `${field}.${list}`, validateImage));
  }
  const deadline = validateDeadline(spec.activeDeadlineSeconds, old.activeDeadlineSeconds, field);
  // Kubernetes looks no further than at a deadline that cannot be.
  if (deadline.length > 0 && spec.activeDeadlineSeconds !== undefined) return [...images, ...deadline];
  return all(
    images,
    deadline,
    validateTolerations(spec, old, `${field}.tolerations`),
    validateGates(spec, old, `${field}.schedulingGates`),
    old.schedulingGates?.length ? validateGatedPlacement(spec, old, field) : [],
    validateTheRest(spec, old, field),
  );
}

/** That there is one is looked at with everything else. */
function validateImage({ image = '' }: Container, at: string): FieldError[] {
  if (image.trim() === image) return [];
  return [invalid(`${at}.image`, image, 'must not have leading or trailing whitespace')];
}

function validateDeadline(seconds: number | undefined, old: number | undefined, at: string): FieldError[] {
  const field = `${at}.activeDeadlineSeconds`;
  if (seconds === undefined) {
    return old === undefined ? [] : [invalid(field, null, 'must not update from a positive integer to nil value')];
  }
  if (seconds < 0 || seconds > maxInt32) {
    return [invalid(field, seconds, `must be between 0 and ${maxInt32}, inclusive`)];
  }
  return old !== undefined && seconds > old
    ? [invalid(field, seconds, 'must be less than or equal to previous value')]
    : [];
}

function validateTolerations(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const now = (spec.tolerations ?? []).map((one) => ({ ...one, tolerationSeconds: undefined }));
  const kept = (old.tolerations ?? []).every((one) =>
    now.some((other) => sameValue(other, { ...one, tolerationSeconds: undefined })),
  );
  if (kept) return [];
  return [forbidden(field, 'existing toleration can not be modified except its tolerationSeconds')];
}

function validateGates(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const before = (old.schedulingGates ?? []).map(({ name = '' }) => name);
  const now = (spec.schedulingGates ?? []).map(({ name = '' }) => name);
  return each(now, field, (name, at, i) =>
    before.includes(name) || now.lastIndexOf(name) !== i
      ? []
      : [forbidden(`${at}.name`, `only deletion is allowed, but found new scheduling gate '${name}'`)],
  );
}

function validateTheRest(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const now = withoutMutableParts(spec, old);
  const before = withoutMutableParts(old, old);
  const keys = [...new Set([...Object.keys(now), ...Object.keys(before)])] as (keyof PodSpec)[];
  const changed = keys.filter((key) => !sameValue(now[key], before[key]));
  if (changed.length === 0) return [];
  return [forbidden(field, `${mutableText}\nchanged: ${changed.map((key) => `${field}.${key}`).join(', ')}`)];
}

const mutableText =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function withoutMutableParts(spec: PodSpec, old: PodSpec): PodSpec {
  const withoutImage = (container: Container): Container => ({ ...container, image: '' });
  const gated = (old.schedulingGates ?? []).length > 0;
  const graceFixed = (old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1;
  const { nodeAffinity, ...others } = spec.affinity ?? {};
  return {
    ...spec,
    containers: (spec.containers ?? []).map(withoutImage),
    initContainers: spec.initContainers?.map(withoutImage),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    schedulingGates: undefined,
    ...(graceFixed ? { terminationGracePeriodSeconds: old.terminationGracePeriodSeconds } : {}),
    // A pod that is not to be scheduled yet may still say where it wants to be.
    ...(gated ? { nodeSelector: undefined, affinity: others } : {}),
  };
}
