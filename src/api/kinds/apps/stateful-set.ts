import type { FieldError } from '../../kind.ts';
import type { StatefulSet } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { validateClaimSpec } from '../core/claim-spec.ts';
import { setClaimSpecDefaults } from '../core/volume.ts';
import { defineKind, replicaScale } from '../define.ts';
import { each, forbidden, invalid, named, oneOf, sameValue } from '../errors.ts';
import { dnsLabel } from '../names.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validateCollisions, validateReplicaCounts } from '../status.ts';
import { containerColumns, isZero, validateIntOrPercent, validateNotNegative, validateWorkload } from '../workload.ts';

type Spec = NonNullable<StatefulSet['spec']>;

export const statefulSet = defineKind<StatefulSet>({
  group: 'apps',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  namespaced: true,
  shortNames: ['sts'],
  categories: ['all'],
  hasStatus: true,
  initialStatus: { replicas: 0, availableReplicas: 0 },
  generation: true,
  scale: { ...replicaScale, labelSelector: '.spec.selector' },
  nameRule: dnsLabel,
  setDefaults,
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status') return validateStatus(object.status ?? { replicas: 0 }, old?.status);
    return [
      ...validateNotNegative(object.spec, ['replicas', 'minReadySeconds']),
      ...validateWorkload(withClaims(object.spec), undefined, 'StatefulSet'),
      ...validatePolicies(object.spec),
      ...validateIdentity(object.spec, old !== undefined),
      ...(old?.spec ? validateUpdate(object.spec ?? { selector: {}, template: {} }, old.spec) : []),
    ];
  },
  columns: [
    nameColumn,
    text(
      'Ready',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      'Pods that are ready, of those wanted.',
    ),
    ageColumn,
    ...containerColumns<StatefulSet>(({ spec }) => spec?.template),
  ],
});

type Status = NonNullable<StatefulSet['status']>;

const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] as const;
const counts = ['replicas', ...parts, 'observedGeneration', 'collisionCount'] as const;

function validateStatus(status: Status, old: Status | undefined): FieldError[] {
  return [
    ...validateReplicaCounts(status, counts, parts, 'status.readyReplicas'),
    ...validateCollisions(status.collisionCount, old?.collisionCount),
  ];
}

function setDefaults({ spec }: StatefulSet): void {
  if (!spec) return;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.podManagementPolicy ||= 'OrderedReady';
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1';
    claim.kind = 'PersistentVolumeClaim';
    claim.status ??= {};
    claim.status.phase ||= 'Pending';
    if (claim.spec) setClaimSpecDefaults(claim.spec);
  }
  setTemplateDefaults(spec.template);
}

/** Containers mount the claims by the names of their templates, as volumes that each pod will have. */
function withClaims(spec: Spec | undefined): Spec | undefined {
  const claims = [...new Set((spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata?.name ?? ''))];
  if (!spec?.template?.spec || claims.length === 0) return spec;
  const { template } = spec;
  const others = (template.spec?.volumes ?? []).filter(({ name }) => !claims.includes(name));
  const volumes = [...others, ...claims.map((name) => ({ name, persistentVolumeClaim: { claimName: name } }))];
  return { ...spec, template: { ...template, spec: { containers: [], ...template.spec, volumes } } };
}

const maxUnavailable = 'spec.updateStrategy.rollingUpdate.maxUnavailable';

function validatePolicies(spec: Spec | undefined): FieldError[] {
  if (!spec) return [];
  const errors: FieldError[] = [];
  const management = spec.podManagementPolicy ?? '';
  if (management !== 'OrderedReady' && management !== 'Parallel') {
    errors.push(invalid('spec.podManagementPolicy', management, "must be 'OrderedReady' or 'Parallel'"));
  }
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  if (type !== 'RollingUpdate' && type !== 'OnDelete') {
    const { partition = 0, maxUnavailable: most = null } = rollingUpdate ?? {};
    const inGo = rollingUpdate ? { Partition: partition, MaxUnavailable: most } : null;
    const detail = "must be 'RollingUpdate' or 'OnDelete'";
    errors.push(invalid('spec.updateStrategy', { Type: type, RollingUpdate: inGo }, detail));
  } else if (type === 'OnDelete' && rollingUpdate) {
    errors.push(
      invalid('spec.updateStrategy.rollingUpdate', rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'"),
    );
  }
  if (type !== 'RollingUpdate') return errors;
  const most = rollingUpdate?.maxUnavailable;
  return [
    ...errors,
    ...validateNotNegative(rollingUpdate, ['partition'], 'spec.updateStrategy.rollingUpdate'),
    ...(most === undefined ? [] : validateIntOrPercent(most, maxUnavailable)),
    ...(most !== undefined && isZero(most) ? [invalid(maxUnavailable, most, 'cannot be 0')] : []),
  ];
}

/** What the pods are called by, and what each of them keeps. */
function validateIdentity(spec: Spec | undefined, exists: boolean): FieldError[] {
  const { serviceName, persistentVolumeClaimRetentionPolicy: retention } = spec ?? {};
  return [
    ...validateNotNegative(spec?.ordinals, ['start'], 'spec.ordinals'),
    // What may not change is not looked at again.
    ...(serviceName && !exists ? named('spec.serviceName', serviceName, dnsLabel) : []),
    ...(['whenDeleted', 'whenScaled'] as const).flatMap((when) =>
      retention
        ? oneOf(`spec.persistentVolumeClaimRetentionPolicy.${when}`, retention[when], ['Retain', 'Delete'])
        : [],
    ),
    ...each(exists ? [] : spec?.volumeClaimTemplates, 'spec.volumeClaimTemplates', (claim, field) =>
      validateClaimSpec(claim.spec, `${field}.spec`),
    ),
  ];
}

const mutable: readonly (keyof Spec)[] = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

function validateUpdate(spec: Spec, old: Spec): FieldError[] {
  const keys = [...new Set([...Object.keys(spec), ...Object.keys(old)])] as (keyof Spec)[];
  if (keys.every((key) => mutable.includes(key) || sameValue(spec[key], old[key]))) return [];
  const [last, ...names] = [...mutable].reverse();
  const list = `${names
    .reverse()
    .map((name) => `'${name}'`)
    .join(', ')} and '${last}'`;
  return [forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)];
}
