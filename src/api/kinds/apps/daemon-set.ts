import type { FieldError } from '../../kind.ts';
import type { DaemonSet } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, notSupported, required } from '../errors.ts';
import { formatLabels } from '../label-selector.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
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
  validate(object, old): FieldError[] {
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
