import type { Lease } from '../../types.ts';
import { defineKind } from '../define.ts';

export const lease = defineKind<Lease>({
  group: 'coordination.k8s.io',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
});
