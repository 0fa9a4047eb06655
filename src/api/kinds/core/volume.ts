import type { FieldError } from '../../kind.ts';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../types.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind } from '../define.ts';
import { forbidden, invalid, oneOf, required, sameValue } from '../errors.ts';
import { dnsSubdomain } from '../names.ts';
import { amountOf, validateAmounts } from '../podspec/resources.ts';
import { validateHostPath } from '../podspec/volumes.ts';
import { validateAccessModes, validateClaimSpec, volumeModes } from './claim-spec.ts';

type VolumeSpec = NonNullable<PersistentVolume['spec']>;

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
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
      ...validateVolume(object.spec),
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
      ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : ''),
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

/** Fields of a PersistentVolume's specification that are no source. */
const notSources = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);

const sourcesOf = (spec: VolumeSpec) => Object.keys(spec).filter((key) => !notSources.has(key));

function validateVolume(spec: VolumeSpec | undefined): FieldError[] {
  const sources = sourcesOf(spec ?? {});
  const wrongClass = spec?.storageClassName ? dnsSubdomain(spec.storageClassName) : undefined;
  return [
    ...validateAccessModes(spec?.accessModes, 'spec.accessModes'),
    ...(spec?.capacity?.storage ? validateAmounts(spec.capacity, 'spec.capacity') : [required('spec.capacity')]),
    ...(sources.length === 0 ? [required('spec', 'must specify a volume type')] : []),
    ...sources.slice(1).map((key) => forbidden(`spec.${key}`, 'may not specify more than 1 volume type')),
    ...validateHostPath(spec?.hostPath, 'spec.hostPath'),
    ...(spec?.local && !spec.nodeAffinity
      ? [required('spec.nodeAffinity', 'Local volume requires node affinity')]
      : []),
    ...oneOf('spec.persistentVolumeReclaimPolicy', spec?.persistentVolumeReclaimPolicy, [
      'Delete',
      'Recycle',
      'Retain',
    ]),
    ...oneOf('spec.volumeMode', spec?.volumeMode, volumeModes),
    ...(wrongClass ? [invalid('spec.storageClassName', spec?.storageClassName, wrongClass)] : []),
  ];
}

function validateVolumeUpdate(spec: VolumeSpec, old: VolumeSpec): FieldError[] {
  const source = (one: VolumeSpec) => Object.fromEntries(Object.entries(one).filter(([key]) => !notSources.has(key)));
  const errors: FieldError[] = [];
  if (!sameValue(source(spec), source(old))) {
    errors.push(forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'));
  }
  if (spec.volumeMode !== old.volumeMode)
    errors.push(invalid('spec.volumeMode', spec.volumeMode, 'field is immutable'));
  return errors;
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
