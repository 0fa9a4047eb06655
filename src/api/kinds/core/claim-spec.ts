import type { FieldError } from '../../kind.ts';
import type { PersistentVolumeClaimSpec } from '../../types.ts';
import { forbidden, invalid, notSupported, oneOf, required } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain } from '../names.ts';
import { amountOf } from '../podspec/resources.ts';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const volumeModes = ['Block', 'Filesystem'];

/** The specification of a claim, also where it stands in a template. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec | undefined, field: string): FieldError[] {
  const size = spec?.resources?.requests?.storage;
  const wrongClass = spec?.storageClassName ? dnsSubdomain(spec.storageClassName) : undefined;
  return [
    ...validateAccessModes(spec?.accessModes, `${field}.accessModes`),
    ...validateSize(size, `${field}.resources[storage]`),
    ...validateLabelSelector(spec?.selector, `${field}.selector`),
    ...oneOf(`${field}.volumeMode`, spec?.volumeMode, volumeModes),
    ...(wrongClass ? [invalid(`${field}.storageClassName`, spec?.storageClassName, wrongClass)] : []),
  ];
}

function validateSize(size: string | undefined, field: string): FieldError[] {
  if (size === undefined) return [required(field)];
  return (amountOf(size) ?? 0n) > 0n ? [] : [invalid(field, size, 'must be greater than zero')];
}

export function validateAccessModes(modes: readonly string[] | undefined, field: string): FieldError[] {
  if (!modes?.length) return [required(field, 'at least 1 access mode is required')];
  const unknown = modes
    .filter((mode) => !accessModes.includes(mode))
    .map((mode) => notSupported(field, mode, accessModes));
  if (unknown.length > 0 || modes.length === 1 || !modes.includes('ReadWriteOncePod')) return unknown;
  return [forbidden(field, 'may not use ReadWriteOncePod with other access modes')];
}
