import { posix } from 'node:path';
import type { FieldError } from '../../kind.ts';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../types.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind } from '../define.ts';
import { all, forbidden, invalid, named, notSupported, oneOf, required, sameValue } from '../errors.ts';
import { dnsSubdomain } from '../names.ts';
import { amountOf, validateAmount } from '../podspec/resources.ts';
import { validateAccessModes, validateClaimSpec, volumeModes } from './claim-spec.ts';
import { validateNodeSelector } from './node-selector.ts';
import { sourceOf, validateSources } from './volume-sources.ts';

type VolumeSpec = NonNullable<PersistentVolume['spec']>;
type DataSource = NonNullable<PersistentVolumeClaimSpec['dataSource']>;

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const policies = ['Delete', 'Recycle', 'Retain'];
const betaClass = 'volume.beta.kubernetes.io/storage-class';

export const persistentVolume = defineKind<PersistentVolume>({
  group: '',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  namespaced: false,
  shortNames: ['pv'],
  hasStatus: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath) spec.hostPath.type ??= '';
  },
  prepareForCreate(object) {
    object.status = { phase: 'Pending' };
  },
  validate(object, old): FieldError[] {
    return [
      ...validateVolume(object.spec, object.metadata?.name ?? ''),
      ...(old?.spec && object.spec ? validateVolumeUpdate(object.spec, old.spec) : []),
    ];
  },
  columns: [
    nameColumn,
    text('Capacity', ({ spec }) => spec?.capacity?.storage ?? '0', 'How much it holds.'),
    text('Access Modes', ({ spec }) => formatModes(spec?.accessModes), 'How it can be mounted.'),
    text(
      'Reclaim Policy',
      ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? '',
      'What becomes of it without its claim.',
    ),
    text('Status', (one) => phaseOf(one, one.status?.phase), 'Whether it is bound.'),
    text(
      'Claim',
      ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : ''),
      'Its claim.',
    ),
    text('StorageClass', (one) => classOf(one, one.spec?.storageClassName), 'Its class.'),
    text('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>', 'Its attributes.'),
    text('Reason', ({ status }) => status?.reason ?? '', 'Why it is in this state.'),
    ageColumn,
    wide(text('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>', 'File system or block device.')),
  ],
});

export const persistentVolumeClaim = defineKind<PersistentVolumeClaim>({
  group: '',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  namespaced: true,
  shortNames: ['pvc'],
  hasStatus: true,
  setDefaults({ spec }) {
    if (spec) setClaimSpecDefaults(spec);
  },
  prepareForCreate(object) {
    object.status = { phase: 'Pending' };
    if (object.spec) normalizeDataSources(object.spec);
  },
  validate(object, old): FieldError[] {
    return [
      ...validateClaimSpec(object.spec, 'spec'),
      ...(old?.spec && object.spec ? validateClaimUpdate(object.spec, old.spec, old.status) : []),
    ];
  },
  columns: [
    nameColumn,
    text('Status', (one) => phaseOf(one, one.status?.phase), 'Whether it is bound.'),
    text('Volume', ({ spec }) => spec?.volumeName ?? '', 'Its volume.'),
    text(
      'Capacity',
      ({ spec, status }) => (spec?.volumeName ? (status?.capacity?.storage ?? '0') : ''),
      'How much it holds.',
    ),
    text(
      'Access Modes',
      ({ spec, status }) => (spec?.volumeName ? formatModes(status?.accessModes) : ''),
      'How it can be mounted.',
    ),
    text('StorageClass', (one) => classOf(one, one.spec?.storageClassName), 'Its class.'),
    text('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>', 'Its attributes.'),
    ageColumn,
    wide(text('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>', 'File system or block device.')),
  ],
});

/** Defaults of a claim, also where it stands in a template. */
export function setClaimSpecDefaults(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem';
}

function validateVolume(spec: VolumeSpec | undefined, name: string): FieldError[] {
  const { storageClassName, nodeAffinity, volumeAttributesClassName: attributes } = spec ?? {};
  const recyclesRoot = spec?.persistentVolumeReclaimPolicy === 'Recycle' && isRoot(spec.hostPath?.path);
  return all(
    validateAccessModes(spec?.accessModes, 'spec.accessModes', ''),
    validateCapacity(spec?.capacity, 'spec.capacity'),
    validateSources(spec ?? {}, name, 'spec'),
    nodeAffinity &&
      (nodeAffinity.required
        ? validateNodeSelector(nodeAffinity.required, 'spec.nodeAffinity.required')
        : [required('spec.nodeAffinity.required', 'must specify required node constraints')]),
    spec && oneOf('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, policies),
    recyclesRoot && [
      forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"),
    ],
    spec && oneOf('spec.volumeMode', spec.volumeMode, volumeModes),
    storageClassName && named('spec.storageClassName', storageClassName, dnsSubdomain),
    attributes === '' && [required('spec.volumeAttributesClassName', 'an empty string is disallowed')],
    attributes && named('spec.volumeAttributesClassName', attributes, dnsSubdomain),
    attributes !== undefined &&
      !spec?.csi && [required('spec.csi', 'has to be specified when using volumeAttributesClassName')],
  );
}

const isRoot = (path: string | undefined): boolean => path?.startsWith('/') === true && posix.normalize(path) === '/';

function validateCapacity(capacity: Readonly<Record<string, string>> | undefined, field: string): FieldError[] {
  const names = Object.keys(capacity ?? {});
  const isOnlyStorage = names.length === 1 && names[0] === 'storage';
  return all(
    names.length === 0 && [required(field)],
    !isOnlyStorage && [notSupported(field, capacity ? sortKeys(capacity) : null, ['storage'])],
    names.flatMap((name) => validateBasicAmount(capacity?.[name] ?? '', `${field}[${name}]`)),
  );
}

const sortKeys = (amounts: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));

function validateBasicAmount(text: string, field: string): FieldError[] {
  const amount = amountOf(text);
  if (amount === undefined) return validateAmount(text, field);
  return all(
    amount < 0n && [invalid(field, text, 'must be a valid resource quantity')],
    amount <= 0n && [invalid(field, text, 'must be greater than zero')],
  );
}

function validateVolumeUpdate(spec: VolumeSpec, old: VolumeSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!sameValue(sourceOf(spec), sourceOf(old))) {
    errors.push(forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'));
  }
  if (spec.volumeMode !== old.volumeMode)
    errors.push(invalid('spec.volumeMode', spec.volumeMode, 'field is immutable'));
  return errors;
}

/**
 * What a volume is filled from, in both of the fields that say it. Alone, the old one is for claims and snapshots
 * (KEP-1495).
 */
function normalizeDataSources(spec: PersistentVolumeClaimSpec): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) {
    if (isOldSource(dataSource)) spec.dataSourceRef = { ...dataSource };
    else delete spec.dataSource;
  }
  if (dataSourceRef && !dataSource && !dataSourceRef.namespace) {
    const { apiGroup, kind, name } = dataSourceRef;
    spec.dataSource = { apiGroup, kind, name };
  }
}

function isOldSource({ apiGroup = '', kind }: DataSource): boolean {
  if (apiGroup === '') return kind === 'PersistentVolumeClaim';
  return apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot';
}

const claimText =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** A claim is written once, but is given its volume and its class, and may grow when it is bound. */
function validateClaimUpdate(
  spec: PersistentVolumeClaimSpec,
  old: PersistentVolumeClaimSpec,
  status: PersistentVolumeClaim['status'],
): FieldError[] {
  const bound = status?.phase === 'Bound';
  const now: PersistentVolumeClaimSpec = {
    ...spec,
    volumeName: old.volumeName ? spec.volumeName : undefined,
    storageClassName: old.storageClassName === undefined ? undefined : spec.storageClassName,
    ...(bound ? { resources: old.resources, volumeAttributesClassName: old.volumeAttributesClassName } : {}),
  };
  if (!sameValue(now, old)) return [forbidden('spec', claimText)];
  const sizeOf = (amounts: Readonly<Record<string, string>> | undefined) => amountOf(amounts?.storage ?? '0') ?? 0n;
  const size = sizeOf(spec.resources?.requests);
  // Growth that did not come may be asked for in a smaller step (KEP-1790).
  if (size >= sizeOf(old.resources?.requests) || size > sizeOf(status?.capacity)) return [];
  return [forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity')];
}

function formatModes(modes: readonly string[] | undefined): string {
  const given = new Set(modes);
  return Object.entries(shortModes)
    .filter(([mode]) => given.has(mode))
    .map(([, short]) => short)
    .join(',');
}

function phaseOf({ metadata }: KubeObject, phase: string | undefined): string {
  return metadata?.deletionTimestamp ? 'Terminating' : (phase ?? '');
}

function classOf({ metadata }: KubeObject, name: string | undefined): string {
  return metadata?.annotations?.[betaClass] ?? name ?? '';
}
