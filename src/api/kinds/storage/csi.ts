import type { CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment, VolumeAttributesClass } from '../../types.ts';
import { ageColumn, boolean, integer, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { all, forbidden, required, sameValue } from '../errors.ts';
import { validateAttachment, validateDriver, validateNodeDrivers, validateStorageCapacity } from './csi-rules.ts';
import { validateProvisioner } from './storage-class.ts';

const group = 'storage.k8s.io';

// Kinds that only CSI drivers and their controllers write: stored and shown.

export const csiDriver = defineKind<CSIDriver>({
  group,
  kind: 'CSIDriver',
  plural: 'csidrivers',
  namespaced: false,
  generation: 'later',
  needsVersion: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
  },
  validate: validateDriver,
  columns: [
    nameColumn,
    boolean('AttachRequired', ({ spec }) => spec?.attachRequired ?? true, 'Whether volumes are attached first.'),
    boolean('PodInfoOnMount', ({ spec }) => spec?.podInfoOnMount ?? false, 'Whether it wants to know of the pod.'),
    boolean('StorageCapacity', ({ spec }) => spec?.storageCapacity ?? false, 'Whether it says what is left.'),
    text(
      'TokenRequests',
      ({ spec }) => spec?.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>',
      'Whose tokens it wants.',
    ),
    boolean('RequiresRepublish', ({ spec }) => spec?.requiresRepublish ?? false, 'Whether mounts are refreshed.'),
    text('Modes', ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>', 'How its volumes live.'),
    ageColumn,
  ],
});

export const csiNode = defineKind<CSINode>({
  group,
  kind: 'CSINode',
  plural: 'csinodes',
  namespaced: false,
  needsVersion: true,
  validate: validateNodeDrivers,
  columns: [
    nameColumn,
    integer('Drivers', ({ spec }) => (spec?.drivers ?? []).length, 'Drivers on the node.'),
    ageColumn,
  ],
});

export const csiStorageCapacity = defineKind<CSIStorageCapacity>({
  group,
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  namespaced: true,
  needsVersion: true,
  validate: validateStorageCapacity,
  columns: [
    nameColumn,
    text('StorageClassName', ({ storageClassName }) => storageClassName ?? '', 'Class of the volumes.'),
    text('Capacity', ({ capacity }) => capacity ?? '<unset>', 'What is left for them.'),
  ],
});

export const volumeAttachment = defineKind<VolumeAttachment>({
  group,
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  namespaced: false,
  keptByStatus: allMetadata,
  needsVersion: true,
  hasStatus: true,
  initialStatus: { attached: false },
  validate: validateAttachment,
  columns: [
    nameColumn,
    { ...text<VolumeAttachment>('Attacher', ({ spec }) => spec?.attacher ?? '', 'Who attaches.'), format: 'name' },
    text('PV', ({ spec }) => spec?.source?.persistentVolumeName ?? '', 'What is attached.'),
    text('Node', ({ spec }) => spec?.nodeName ?? '', 'Where to.'),
    boolean('Attached', ({ status }) => status?.attached ?? false, 'Whether it is.'),
    ageColumn,
  ],
});

export const volumeAttributesClass = defineKind<VolumeAttributesClass>({
  group,
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  namespaced: false,
  shortNames: ['vac'],
  validate: ({ driverName, parameters }, old) =>
    all(
      validateProvisioner(driverName, 'driverName'),
      Object.keys(parameters ?? {}).length === 0 && [
        required('parameters', 'must contain at least one key/value pair'),
      ],
      old && driverName !== old.driverName && [forbidden('driverName', 'updates to driverName are forbidden.')],
      old &&
        !sameValue(parameters, old.parameters) && [forbidden('parameters', 'updates to parameters are forbidden.')],
    ),
  columns: [nameColumn, text('DriverName', ({ driverName }) => driverName ?? '', 'Its driver.'), ageColumn],
});
