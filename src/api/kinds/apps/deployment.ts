import type { FieldError } from '../../kind.ts';
import type { Deployment } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind, replicaScale } from '../define.ts';
import { forbidden, invalid, notSupported } from '../errors.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validateCollisions, validateReplicaCounts } from '../status.ts';
import {
  containerColumns,
  isZero,
  selectorColumn,
  strategyInGo,
  validateIntOrPercent,
  validateNotNegative,
  validateWorkload,
} from '../workload.ts';

type Spec = NonNullable<Deployment['spec']>;

export const deployment = defineKind<Deployment>({
  group: 'apps',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
  keptByStatus: ['labels'],
  shortNames: ['deploy'],
  categories: ['all'],
  hasStatus: true,
  initialStatus: {},
  generation: true,
  raisedBy: ['annotations'],
  scale: { ...replicaScale, labelSelector: '.spec.selector' },
  setDefaults,
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status') return validateStatus(object.status ?? {}, old?.status);
    return [
      ...validateNotNegative(object.spec, [
        'replicas',
        'minReadySeconds',
        'revisionHistoryLimit',
        'progressDeadlineSeconds',
      ]),
      ...validateWorkload(object.spec, old?.spec),
      ...validateStrategy(object.spec?.strategy, 'spec.strategy'),
      ...validateDeadline(object.spec),
    ];
  },
  columns: [
    nameColumn,
    text(
      'Ready',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      'Pods that are ready, of those wanted.',
    ),
    text('Up-to-date', ({ status }) => status?.updatedReplicas ?? 0, 'Pods of the newest template.'),
    text('Available', ({ status }) => status?.availableReplicas ?? 0, 'Pods that have been ready for long enough.'),
    ageColumn,
    ...containerColumns<Deployment>(({ spec }) => spec?.template),
    selectorColumn<Deployment>(({ spec }) => spec?.selector),
  ],
});

type Status = NonNullable<Deployment['status']>;

const parts = ['updatedReplicas', 'readyReplicas', 'availableReplicas'] as const;
const counts = [
  'observedGeneration',
  'replicas',
  ...parts,
  'unavailableReplicas',
  'terminatingReplicas',
  'collisionCount',
] as const;

function validateStatus(status: Status, old: Status | undefined): FieldError[] {
  return [
    ...validateReplicaCounts(status, counts, parts),
    ...validateCollisions(status.collisionCount, old?.collisionCount),
  ];
}

function setDefaults({ spec }: Deployment): void {
  if (!spec) return;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  spec.strategy ??= {};
  spec.strategy.type ||= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxSurge ??= '25%';
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
  }
  setTemplateDefaults(spec.template);
}

function validateStrategy(strategy: Spec['strategy'], field: string): FieldError[] {
  if (!strategy) return [];
  const rolling = strategy.rollingUpdate;
  if (strategy.type === 'Recreate') {
    if (!rolling) return [];
    return [forbidden(`${field}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (strategy.type !== 'RollingUpdate') {
    return [notSupported(field, strategyInGo(strategy), ['Recreate', 'RollingUpdate'])];
  }
  const errors = [
    ...validateIntOrPercent(rolling?.maxUnavailable ?? 0, `${field}.rollingUpdate.maxUnavailable`),
    ...validateSurge(rolling?.maxSurge ?? 0, `${field}.rollingUpdate.maxSurge`),
  ];
  if (!isZero(rolling?.maxUnavailable) || !isZero(rolling?.maxSurge)) return errors;
  return [
    ...errors,
    invalid(`${field}.rollingUpdate.maxUnavailable`, rolling?.maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0'),
  ];
}

/** Unlike what is unavailable, the surge may be more than all. */
function validateSurge(value: unknown, field: string): FieldError[] {
  return typeof value === 'string' && /^\d+%$/.test(value) ? [] : validateIntOrPercent(value, field);
}

function validateDeadline(spec: Spec | undefined): FieldError[] {
  const deadline = spec?.progressDeadlineSeconds;
  if (deadline === undefined || deadline > (spec?.minReadySeconds ?? 0)) return [];
  return [invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')];
}
