import type { FieldError } from '../../kind.ts';
import type { Lease } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid } from '../errors.ts';
import { validateNotNegative } from '../workload.ts';

export const lease = defineKind<Lease>({
  group: 'coordination.k8s.io',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  anyFinalizer: true,
  createdByPut: true,
  needsVersion: true,
  prepareForCreate: dropCoordination,
  prepareForUpdate: dropCoordination,
  validate({ spec }): FieldError[] {
    const seconds = spec?.leaseDurationSeconds;
    const wrong = seconds !== undefined && seconds <= 0;
    return [
      ...(wrong ? [invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')] : []),
      ...validateNotNegative(spec, ['leaseTransitions']),
    ];
  },
  columns: [nameColumn, text('Holder', ({ spec }) => spec?.holderIdentity ?? '', 'Who holds it.'), ageColumn],
});

/** Coordinated leader election is behind a gate that Kubernetes leaves closed (KEP-4355). */
function dropCoordination({ spec }: Lease): void {
  delete spec?.strategy;
  delete spec?.preferredHolder;
}
