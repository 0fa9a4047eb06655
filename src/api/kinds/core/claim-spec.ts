import type { FieldError } from '../../kind.ts';
import type { PersistentVolumeClaimSpec } from '../../types.ts';
import { all, forbidden, invalid, named, notSupported, oneOf, required } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain } from '../names.ts';
import { amountOf, validateAmount } from '../podspec/resources.ts';

type DataSource = NonNullable<PersistentVolumeClaimSpec['dataSource']>;

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const oneMode = 'at least 1 access mode is required';
export const volumeModes = ['Block', 'Filesystem'];

/** The specification of a claim, also where it stands in a template. */
export function validateClaimSpec(
  spec: PersistentVolumeClaimSpec | undefined,
  field: string,
  old?: PersistentVolumeClaimSpec,
): FieldError[] {
  if (!spec) return [required(`${field}.accessModes`, oneMode), required(`${field}.resources[storage]`)];
  const { storageClassName, volumeAttributesClassName: attributes, dataSource, dataSourceRef } = spec;
  const isElsewhere = Boolean(dataSourceRef?.namespace);
  // Groups are older than the rule of their names.
  const hadGroup = (old?.dataSource ?? old?.dataSourceRef)?.apiGroup !== undefined;
  return all(
    validateAccessModes(spec.accessModes, `${field}.accessModes`, oneMode),
    validateSize(spec.resources?.requests?.storage, `${field}.resources[storage]`),
    validateLabelSelector(spec.selector, `${field}.selector`),
    spec.volumeMode !== undefined && oneOf(`${field}.volumeMode`, spec.volumeMode, volumeModes),
    storageClassName && named(`${field}.storageClassName`, storageClassName, dnsSubdomain),
    attributes && named(`${field}.volumeAttributesClassName`, attributes, dnsSubdomain),
    dataSource && validateDataSource(dataSource, `${field}.dataSource`, hadGroup),
    dataSourceRef && validateDataSource(dataSourceRef, `${field}.dataSourceRef`, hadGroup),
    // Kubernetes shows the path of a field here, which in Go's JSON is nothing.
    dataSource && isElsewhere && [invalid(field, {}, 'may not be specified when dataSourceRef.namespace is specified')],
    dataSource &&
      dataSourceRef &&
      !isElsewhere &&
      !isSameSource(dataSource, dataSourceRef) && [invalid(field, {}, 'must match dataSourceRef')],
  );
}

function validateDataSource({ apiGroup, kind = '', name }: DataSource, field: string, anyGroup: boolean): FieldError[] {
  const needsClaim = !apiGroup && kind !== 'PersistentVolumeClaim';
  const detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
  return all(
    !name && [required(`${field}.name`)],
    !kind && [required(`${field}.kind`)],
    needsClaim && [invalid(field, kind, detail)],
    apiGroup && !anyGroup && named(`${field}.apiGroup`, apiGroup, dnsSubdomain),
  );
}

function isSameSource(a: DataSource, b: DataSource): boolean {
  return (['apiGroup', 'kind', 'name'] as const).every((key) => a[key] === b[key]);
}

/** An amount of something a volume has. */
export function validateBasicAmount(text: string, field: string): FieldError[] {
  const amount = amountOf(text);
  if (amount === undefined) return validateAmount(text, field);
  return amount < 0n ? [invalid(field, text, 'must be a valid resource quantity')] : [];
}

function validateSize(size: string | undefined, field: string): FieldError[] {
  if (size === undefined) return [required(field)];
  return (amountOf(size) ?? 0n) > 0n ? [] : [invalid(field, size, 'must be greater than zero')];
}

export function validateAccessModes(
  modes: readonly string[] | undefined,
  field: string,
  missing: string,
): FieldError[] {
  if (!modes?.length) return [required(field, missing)];
  const unknown = modes
    .filter((mode) => !accessModes.includes(mode))
    .map((mode) => notSupported(field, mode, accessModes));
  const isMixed = modes.includes('ReadWriteOncePod') && modes.some((mode) => mode !== 'ReadWriteOncePod');
  if (unknown.length > 0 || !isMixed) return unknown;
  return [forbidden(field, 'may not use ReadWriteOncePod with other access modes')];
}
