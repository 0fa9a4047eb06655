import type { FieldError } from '../../kind.ts';
import type { StatefulSet } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { setClaimSpecDefaults } from '../core/volume.ts';
import { defineKind, replicaScale } from '../define.ts';
import { forbidden, invalid, notSupported, required, sameValue } from '../errors.ts';
import { dnsLabel } from '../names.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { containerColumns, validateIntOrPercent, validateNotNegative, validateWorkload } from '../workload.ts';

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
  validate(object, old): FieldError[] {
    return [
      ...validateNotNegative(object.spec, ['replicas', 'minReadySeconds', 'revisionHistoryLimit']),
      ...validateWorkload(withClaims(object.spec), undefined, 'statefulset'),
      ...validatePolicies(object.spec),
      ...(old?.spec && object.spec ? validateUpdate(object.spec, old.spec) : []),
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
    claim.apiVersion ||= 'v1';
    claim.kind ||= 'PersistentVolumeClaim';
    claim.status ??= { phase: 'Pending' };
    if (claim.spec) setClaimSpecDefaults(claim.spec);
  }
  setTemplateDefaults(spec.template);
}

/** Containers mount the claims by the names of their templates, as volumes that each pod will have. */
function withClaims(spec: Spec | undefined): Spec | undefined {
  const claims = (spec?.volumeClaimTemplates ?? []).flatMap(({ metadata }) => metadata?.name ?? []);
  if (!spec?.template?.spec || claims.length === 0) return spec;
  const { template } = spec;
  const others = (template.spec?.volumes ?? []).filter(({ name }) => !claims.includes(name));
  const volumes = [...others, ...claims.map((name) => ({ name, emptyDir: {} }))];
  return { ...spec, template: { ...template, spec: { containers: [], ...template.spec, volumes } } };
}

function validatePolicies(spec: Spec | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const management = spec?.podManagementPolicy ?? '';
  if (management !== 'OrderedReady' && management !== 'Parallel') {
    errors.push(invalid('spec.podManagementPolicy', management, "must be 'OrderedReady' or 'Parallel'"));
  }
  const { type = '', rollingUpdate } = spec?.updateStrategy ?? {};
  if (type === '') errors.push(required('spec.updateStrategy'));
  else if (type !== 'RollingUpdate' && type !== 'OnDelete') {
    errors.push(notSupported('spec.updateStrategy', type, ['RollingUpdate', 'OnDelete']));
  } else if (type === 'OnDelete' && rollingUpdate) {
    errors.push(
      invalid('spec.updateStrategy.rollingUpdate', rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'"),
    );
  }
  const most = rollingUpdate?.maxUnavailable;
  return [
    ...errors,
    ...validateNotNegative(rollingUpdate, ['partition'], 'spec.updateStrategy.rollingUpdate'),
    ...(most === undefined ? [] : validateIntOrPercent(most, 'spec.updateStrategy.rollingUpdate.maxUnavailable')),
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
