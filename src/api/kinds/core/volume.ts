import { posix } from 'node:path';
import type { FieldError } from '../../kind.ts';
import { formatTime } from '../../schema/time.ts';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../types.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind } from '../define.ts';
import { all, forbidden, invalid, named, notSupported, oneOf, required, sameValue, unchanged } from '../errors.ts';
import { dnsSubdomain } from '../names.ts';
import { amountOf } from '../podspec/resources.ts';
import { setSourceDefaults } from '../podspec/volume-defaults.ts';
import { validateAccessModes, validateBasicAmount, validateClaimSpec, volumeModes } from './claim-spec.ts';
import { validateClaimStatus } from './claim-status.ts';
import { betaClass, validateClaimUpdate } from './claim-update.ts';
import { validateNodeSelector } from './node-selector.ts';
import { sourceOf, validateSources } from './volume-sources.ts';

type VolumeSpec = NonNullable<PersistentVolume['spec']>;
type VolumeStatus = NonNullable<PersistentVolume['status']>;
type DataSource = NonNullable<PersistentVolumeClaimSpec['dataSource']>;

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const policies = ['Delete', 'Recycle', 'Retain'];

export const persistentVolume = defineKind<PersistentVolume>({
  group: '',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  namespaced: false,
  shortNames: ['pv'],
  hasStatus: true,
  setDefaults(object) {
    object.status ??= {};
    object.status.phase ||= 'Pending';
    const { spec } = object;
    if (!spec) return;
    setSourceDefaults(spec);
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath) spec.hostPath.type ??= '';
  },
  prepareForCreate(object) {
    object.status = { phase: 'Pending' };
  },
  prepareForUpdate(object, old, subresource) {
    if (subresource === 'status') object.status = timed(object.status ?? {}, old.status ?? {});
  },
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status') return [];
    return [
      ...validateVolume(object.spec, object.metadata?.name ?? ''),
      ...(old?.spec ? validateVolumeUpdate(object.spec ?? {}, old.spec) : []),
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
  setDefaults(object) {
    object.status ??= {};
    object.status.phase ||= 'Pending';
    if (object.spec) setClaimSpecDefaults(object.spec);
  },
  prepareForCreate(object) {
    object.status = { phase: 'Pending' };
    if (object.spec) normalizeDataSources(object.spec);
  },
  prepareForUpdate(object, old) {
    if (!object.spec) return;
    const { dataSource, dataSourceRef } = old.spec ?? {};
    normalizeDataSources(object.spec, dataSource !== undefined || dataSourceRef !== undefined);
  },
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status') return validateClaimStatus(object.status);
    return [...validateClaimSpec(object.spec, 'spec', old?.spec), ...(old ? validateClaimUpdate(object, old) : [])];
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
    names.flatMap((name) => {
      const [text, at] = [capacity?.[name] ?? '', `${field}[${name}]`];
      return all(validateBasicAmount(text, at), isNothing(text) && [invalid(at, text, 'must be greater than zero')]);
    }),
  );
}

const isNothing = (text: string): boolean => (amountOf(text) ?? 1n) <= 0n;

const sortKeys = (amounts: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));

function validateVolumeUpdate(spec: VolumeSpec, old: VolumeSpec): FieldError[] {
  // The secret by which a volume grows may be named later.
  const isNamed = old.csi?.controllerExpandSecretRef !== undefined;
  const now =
    old.csi && spec.csi && !isNamed ? { ...spec, csi: { ...spec.csi, controllerExpandSecretRef: undefined } } : spec;
  const nodes = 'field is immutable, except for updating from beta label to GA';
  const loses = old.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined;
  return all(
    !sameValue(sourceOf(now), sourceOf(old)) && [
      forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'),
    ],
    // Kubernetes, too, leaves out that these two stand in `spec`.
    unchanged('volumeMode', spec.volumeMode, old.volumeMode),
    old.nodeAffinity &&
      !sameValue(spec.nodeAffinity, old.nodeAffinity) && [invalid('nodeAffinity', spec.nodeAffinity, nodes)],
    loses && [forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden')],
  );
}

/**
 * What a volume is filled from, in both of the fields that say it. Alone, the old one is for claims and snapshots
 * (KEP-1495).
 */
function normalizeDataSources(spec: PersistentVolumeClaimSpec, hadSource = false): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) {
    // What an older Kubernetes has let through stays.
    if (hadSource || isOldSource(dataSource)) spec.dataSourceRef = { ...dataSource };
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

/** When a volume came into its phase is written down, unless its writer does so (KEP-3762). */
function timed(status: VolumeStatus, old: VolumeStatus): VolumeStatus {
  const [at, before] = [status.lastPhaseTransitionTime, old.lastPhaseTransitionTime];
  if (status.phase === old.phase) return { ...status, lastPhaseTransitionTime: at ?? before };
  return at === undefined || at === before ? { ...status, lastPhaseTransitionTime: formatTime(new Date()) } : status;
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
