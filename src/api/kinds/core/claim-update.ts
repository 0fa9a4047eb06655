import type { FieldError } from '../../kind.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../types.ts';
import { all, forbidden, invalid, sameValue, unchanged } from '../errors.ts';
import { amountOf } from '../podspec/resources.ts';

/** Where the class stood before it had a field. */
export const betaClass = 'volume.beta.kubernetes.io/storage-class';

const specText =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** A claim is written once, but is given its volume and its class, and may grow when it is bound. */
export function validateClaimUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const [spec, before] = [claim.spec ?? {}, old.spec ?? {}];
  const [annotation, annotationBefore] = [classAnnotation(claim), classAnnotation(old)];
  const moves = classMoves(claim, old);
  const isSame = sameValue(withoutMutable(claim, old, moves), before);
  return all(
    !moves &&
      annotation !== annotationBefore && [
        invalid(`metadata.annotations.${betaClass}`, annotation ?? '', 'field is immutable'),
      ],
    !isSame && [forbidden('spec', specText)],
    validateSize(spec, before, old.status?.capacity),
    // Kubernetes, too, leaves out that it stands in `spec`.
    unchanged('volumeMode', spec.volumeMode, before.volumeMode),
    validateAttributes(spec.volumeAttributesClassName, old),
  );
}

const classAnnotation = ({ metadata }: PersistentVolumeClaim) => metadata?.annotations?.[betaClass];

/** Whether the class is only written where it stands today. */
function classMoves(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): boolean {
  const [now, before] = [classAnnotation(claim), classAnnotation(old)];
  const [name, nameBefore] = [claim.spec?.storageClassName, old.spec?.storageClassName];
  return before !== undefined && nameBefore === undefined && name === before && (now ?? before) === before;
}

/** The new specification with what may change as it was. */
function withoutMutable(
  { spec = {} }: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
  moves: boolean,
): PersistentVolumeClaimSpec {
  const before = old.spec ?? {};
  const given = classAnnotation(old);
  const isFirst = before.storageClassName === undefined && (given === undefined || spec.storageClassName === given);
  const requests = spec.resources?.requests && {
    ...spec.resources.requests,
    storage: before.resources?.requests?.storage ?? '0',
  };
  return {
    ...spec,
    volumeName: before.volumeName ? spec.volumeName : before.volumeName,
    storageClassName: moves || isFirst ? before.storageClassName : spec.storageClassName,
    ...(old.status?.phase === 'Bound'
      ? {
          resources: requests ? { ...spec.resources, requests } : spec.resources,
          volumeAttributesClassName: before.volumeAttributesClassName,
        }
      : {}),
  };
}

/** Growth that did not come may be asked for in a smaller step (KEP-1790). */
function validateSize(
  spec: PersistentVolumeClaimSpec,
  old: PersistentVolumeClaimSpec,
  capacity: Readonly<Record<string, string>> | undefined,
): FieldError[] {
  const sizeOf = (amounts: Readonly<Record<string, string>> | undefined) => amountOf(amounts?.storage ?? '0') ?? 0n;
  const size = sizeOf(spec.resources?.requests);
  if (size >= sizeOf(old.resources?.requests) || size > sizeOf(capacity)) return [];
  return [forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity')];
}

/** A class of attributes that a volume has is followed by another one only. */
function validateAttributes(name: string | undefined, { spec, status }: PersistentVolumeClaim): FieldError[] {
  if (name === spec?.volumeAttributesClassName || status?.currentVolumeAttributesClassName === undefined) return [];
  if (name) return [];
  const to = name === undefined ? 'nil' : 'empty string';
  const detail = `update to ${to} is forbidden when status.currentVolumeAttributesClassName is not nil`;
  return [forbidden('spec.volumeAttributesClassName', detail)];
}
