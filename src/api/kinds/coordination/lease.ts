import type { FieldError } from '../../kind.ts';
import type { Lease } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { forbidden, invalid, oneOf } from '../errors.ts';
import { validateNotNegative } from '../workload.ts';

export const lease = defineKind<Lease>({
  group: 'coordination.k8s.io',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  anyFinalizer: true,
  createdByPut: true,
  needsVersion: true,
  validate({ spec }): FieldError[] {
    const seconds = spec?.leaseDurationSeconds;
    const wrong = seconds !== undefined && seconds <= 0;
    return [
      ...(wrong ? [invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')] : []),
      ...validateNotNegative(spec, ['leaseTransitions']),
      ...(spec?.strategy === undefined
        ? []
        : oneOf('spec.strategy.strategy', spec.strategy, ['OldestEmulationVersion'])),
      ...(spec?.preferredHolder && !spec.strategy
        ? [forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined')]
        : []),
    ];
  },
  columns: [nameColumn, text('Holder', ({ spec }) => spec?.holderIdentity ?? '', 'Who holds it.'), ageColumn],
});
