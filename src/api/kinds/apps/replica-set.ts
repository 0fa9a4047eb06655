import type { FieldError } from '../../kind.ts';
import type { ReplicaSet } from '../../types.ts';
import { ageColumn, integer, nameColumn } from '../columns.ts';
import { defineKind, replicaScale } from '../define.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validateReplicaCounts } from '../status.ts';
import { containerColumns, selectorColumn, validateNotNegative, validateWorkload } from '../workload.ts';

const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const;
const counts = ['replicas', ...parts, 'observedGeneration', 'terminatingReplicas'] as const;

export const replicaSet = defineKind<ReplicaSet>({
  group: 'apps',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  namespaced: true,
  shortNames: ['rs'],
  categories: ['all'],
  hasStatus: true,
  initialStatus: { replicas: 0 },
  generation: true,
  scale: { ...replicaScale, labelSelector: '.spec.selector' },
  setDefaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    setTemplateDefaults(spec.template);
  },
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status') return validateReplicaCounts(object.status ?? { replicas: 0 }, counts, parts);
    return [
      ...validateNotNegative(object.spec, ['replicas', 'minReadySeconds']),
      ...validateWorkload(object.spec, old?.spec),
    ];
  },
  fieldLabels: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn,
    integer('Desired', ({ spec }) => spec?.replicas ?? 0, 'Pods that are wanted.'),
    integer('Current', ({ status }) => status?.replicas ?? 0, 'Pods that are there.'),
    integer('Ready', ({ status }) => status?.readyReplicas ?? 0, 'Pods that are ready.'),
    ageColumn,
    ...containerColumns<ReplicaSet>(({ spec }) => spec?.template),
    selectorColumn<ReplicaSet>(({ spec }) => spec?.selector),
  ],
});
