import type { FieldError } from '../../kind.ts';
import type { ReplicationController } from '../../types.ts';
import { ageColumn, integer, nameColumn, text, wide } from '../columns.ts';
import { defineKind, replicaScale } from '../define.ts';
import { required } from '../errors.ts';
import { formatLabels } from '../label-selector.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validatePodTemplate } from '../podspec/validate.ts';
import { validateReplicaCounts } from '../status.ts';
import { containerColumns, unselected, validateNotNegative, validateTemplateStays } from '../workload.ts';

const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const;
const counts = ['replicas', ...parts, 'observedGeneration'] as const;

export const replicationController = defineKind<ReplicationController>({
  group: '',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  namespaced: true,
  shortNames: ['rc'],
  categories: ['all'],
  orphansByDefault: true,
  hasStatus: true,
  initialStatus: { replicas: 0 },
  generation: true,
  scale: { ...replicaScale, labelSelector: '.spec.selector' },
  setDefaults(object) {
    const { spec } = object;
    if (!spec) return;
    const labels = spec.template?.metadata?.labels ?? {};
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (Object.keys(object.metadata?.labels ?? {}).length === 0 && object.metadata)
      object.metadata.labels = { ...labels };
    spec.replicas ??= 1;
    setTemplateDefaults(spec.template);
  },
  validate({ spec, status }, _old, subresource): FieldError[] {
    if (subresource === 'status') return validateReplicaCounts(status ?? { replicas: 0 }, counts, parts);
    const { selector = {}, template } = spec ?? {};
    const wanted = Object.entries(selector);
    const labels = template?.metadata?.labels ?? {};
    const isSelected = wanted.every(([key, value]) => labels[key] === value);
    return [
      ...validateNotNegative(spec, ['replicas', 'minReadySeconds']),
      ...(wanted.length === 0 ? [required('spec.selector')] : []),
      ...(template ? [] : [required('spec.template')]),
      ...(template && !isSelected ? [unselected(template)] : []),
      ...(template ? validatePodTemplate(template, 'spec.template') : []),
      ...validateTemplateStays(template, 'ReplicationController'),
    ];
  },
  fieldLabels: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn,
    integer('Desired', ({ spec }) => spec?.replicas ?? 0, 'Pods that are wanted.'),
    integer('Current', ({ status }) => status?.replicas ?? 0, 'Pods that are there.'),
    integer('Ready', ({ status }) => status?.readyReplicas ?? 0, 'Pods that are ready.'),
    ageColumn,
    ...containerColumns<ReplicationController>(({ spec }) => spec?.template),
    wide(text('Selector', ({ spec }) => formatLabels(spec?.selector), 'Labels of the pods that belong to it.')),
  ],
});
