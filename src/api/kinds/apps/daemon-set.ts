import type { FieldError } from '../../kind.ts';
import type { DaemonSet } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, notSupported, required, sameValue } from '../errors.ts';
import { formatLabels } from '../label-selector.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validateCollisions } from '../status.ts';
import {
  containerColumns,
  isZero,
  selectorColumn,
  strategyInGo,
  validateIntOrPercent,
  validateNotNegative,
  validateWorkload,
} from '../workload.ts';

type Strategy = NonNullable<DaemonSet['spec']>['updateStrategy'];

/** How often the template was written, where it once had a field (extensions/v1beta1). */
const templateGeneration = 'deprecated.daemonset.template.generation';

export const daemonSet = defineKind<DaemonSet>({
  group: 'apps',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  namespaced: true,
  shortNames: ['ds'],
  categories: ['all'],
  hasStatus: true,
  initialStatus: { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
  generation: true,
  setDefaults,
  prepareForCreate: (object) => setTemplateGeneration(object, 1),
  prepareForUpdate(object, old) {
    const before = Number(old.metadata?.annotations?.[templateGeneration] ?? 0);
    const changes = !sameValue(object.spec?.template, old.spec?.template);
    setTemplateGeneration(object, changes ? before + 1 : before);
  },
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status' && object.status) return validateStatus(object.status, old?.status);
    return [
      ...validateNotNegative(object.spec, ['minReadySeconds', 'revisionHistoryLimit']),
      ...validateWorkload(object.spec, old?.spec, 'DaemonSet'),
      ...validateStrategy(object.spec?.updateStrategy, 'spec.updateStrategy'),
    ];
  },
  columns: [
    nameColumn,
    integer('Desired', ({ status }) => status?.desiredNumberScheduled ?? 0, 'Nodes that should run the pod.'),
    integer('Current', ({ status }) => status?.currentNumberScheduled ?? 0, 'Nodes that have the pod and should.'),
    integer('Ready', ({ status }) => status?.numberReady ?? 0, 'Nodes whose pod is ready.'),
    integer('Up-to-date', ({ status }) => status?.updatedNumberScheduled ?? 0, 'Nodes with the newest template.'),
    integer(
      'Available',
      ({ status }) => status?.numberAvailable ?? 0,
      'Nodes whose pod has been ready for long enough.',
    ),
    text(
      'Node Selector',
      ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector),
      'Labels of the nodes it runs on.',
    ),
    ageColumn,
    ...containerColumns<DaemonSet>(({ spec }) => spec?.template),
    selectorColumn<DaemonSet>(({ spec }) => spec?.selector),
  ],
});

type Status = NonNullable<DaemonSet['status']>;

const counts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
] as const;

function validateStatus(status: Status, old: Status | undefined): FieldError[] {
  return [
    ...validateNotNegative(status, counts, 'status'),
    ...validateCollisions(status.collisionCount, old?.collisionCount),
  ];
}

function setTemplateGeneration({ metadata }: DaemonSet, generation: number): void {
  if (!metadata) return;
  metadata.annotations = { ...metadata.annotations, [templateGeneration]: String(generation) };
}

function setDefaults({ spec }: DaemonSet): void {
  if (!spec) return;
  spec.revisionHistoryLimit ??= 10;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  setTemplateDefaults(spec.template);
}

function validateStrategy(strategy: Strategy, field: string): FieldError[] {
  if (!strategy || strategy.type === 'OnDelete') return [];
  if (strategy.type !== 'RollingUpdate') {
    return [notSupported(field, strategyInGo(strategy), ['RollingUpdate', 'OnDelete'])];
  }
  const rolling = strategy.rollingUpdate;
  if (!rolling) return [required(`${field}.rollingUpdate`)];
  const errors = [
    ...validateIntOrPercent(rolling.maxUnavailable ?? 0, `${field}.rollingUpdate.maxUnavailable`),
    ...validateIntOrPercent(rolling.maxSurge ?? 0, `${field}.rollingUpdate.maxSurge`),
  ];
  const [noLoss, noSurge] = [isZero(rolling.maxUnavailable), isZero(rolling.maxSurge)];
  if (noLoss && noSurge)
    errors.push(required(`${field}.rollingUpdate.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  if (!noLoss && !noSurge) {
    const detail = 'may not be set when maxUnavailable is non-zero';
    errors.push(invalid(`${field}.rollingUpdate.maxSurge`, rolling.maxSurge, detail));
  }
  return errors;
}
