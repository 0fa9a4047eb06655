import type { FieldError } from '../../kind.ts';
import type { Container, PodSpec } from '../../types.ts';
import { forbidden, invalid, sameValue } from '../errors.ts';

/** Of a pod that exists, only images, the active deadline, new tolerations and fewer scheduling gates may be written. */
export function validatePodSpecUpdate(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const counts = (['containers', 'initContainers'] as const)
    .filter((list) => (spec[list] ?? []).length !== (old[list] ?? []).length)
    .map((list) => forbidden(`${field}.${list}`, 'pod updates may not add or remove containers'));
  if (counts.length > 0) return counts;
  return [
    ...validateDeadline(spec.activeDeadlineSeconds, old.activeDeadlineSeconds, `${field}.activeDeadlineSeconds`),
    ...validateTolerations(spec, old, `${field}.tolerations`),
    ...validateGates(spec, old, `${field}.schedulingGates`),
    ...validateTheRest(spec, old, field),
  ];
}

function validateDeadline(seconds: number | undefined, old: number | undefined, field: string): FieldError[] {
  if (old === undefined || seconds === old) return [];
  if (seconds === undefined) return [invalid(field, null, 'must not update from a positive integer to nil value')];
  return seconds > old ? [invalid(field, seconds, 'must be less than or equal to previous value')] : [];
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
  const before = (old.schedulingGates ?? []).map((gate) => gate.name);
  return (spec.schedulingGates ?? [])
    .filter((gate) => !before.includes(gate.name))
    .map((gate) => forbidden(field, `only deletion is allowed, but found new scheduling gate '${gate.name}'`));
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
  return {
    ...spec,
    containers: (spec.containers ?? []).map(withoutImage),
    initContainers: spec.initContainers?.map(withoutImage),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    schedulingGates: undefined,
    ...(graceFixed ? { terminationGracePeriodSeconds: old.terminationGracePeriodSeconds } : {}),
    // A pod that is not to be scheduled yet may still say where it wants to be.
    ...(gated ? { nodeSelector: undefined, affinity: undefined } : {}),
  };
}
