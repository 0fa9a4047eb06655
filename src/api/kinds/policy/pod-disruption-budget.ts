import type { FieldError } from '../../kind.ts';
import type { PodDisruptionBudget } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, notSupported } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { validateConditions } from '../status.ts';
import { selectorInGo, validateIntOrPercent, validateNotNegative } from '../workload.ts';

type Spec = NonNullable<PodDisruptionBudget['spec']>;

/** The specification as Go's JSON shows it in messages. */
function specInGo({ minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy }: Spec): object {
  return {
    MinAvailable: minAvailable ?? null,
    Selector: selector ? selectorInGo(selector) : null,
    MaxUnavailable: maxUnavailable ?? null,
    UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy ?? null,
  };
}

type Status = PodDisruptionBudget['status'];

function validateStatus(status: Status): FieldError[] {
  const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;
  return [
    ...validateConditions(status?.conditions, 'status.conditions'),
    ...validateNotNegative(status, counts, 'status'),
  ];
}

export const podDisruptionBudget = defineKind<PodDisruptionBudget>({
  group: 'policy',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  namespaced: true,
  anyFinalizer: true,
  needsVersion: true,
  shortNames: ['pdb'],
  hasStatus: true,
  initialStatus: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
  generation: true,
  validate({ spec, status }, _old, subresource): FieldError[] {
    if (subresource === 'status') return validateStatus(status);
    const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec ?? {};
    const both = minAvailable !== undefined && maxUnavailable !== undefined;
    const policies = ['AlwaysAllow', 'IfHealthyBudget'];
    return [
      ...(both ? [invalid('spec', specInGo(spec ?? {}), 'minAvailable and maxUnavailable cannot be both set')] : []),
      ...(minAvailable === undefined ? [] : validateIntOrPercent(minAvailable, 'spec.minAvailable')),
      ...(maxUnavailable === undefined ? [] : validateIntOrPercent(maxUnavailable, 'spec.maxUnavailable')),
      ...validateLabelSelector(spec?.selector, 'spec.selector'),
      ...(policy === undefined || policies.includes(policy)
        ? []
        : [notSupported('spec.unhealthyPodEvictionPolicy', policy, policies)]),
    ];
  },
  columns: [
    nameColumn,
    text('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A'), 'Pods that must stay.'),
    text('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A'), 'Pods that may be gone.'),
    integer('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed ?? 0, 'Pods that may go now.'),
    ageColumn,
  ],
});
