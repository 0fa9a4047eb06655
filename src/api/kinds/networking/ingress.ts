import type { Ingress } from '../../types.ts';
import { defineKind } from '../define.ts';

export const ingress = defineKind<Ingress>({
  group: 'networking.k8s.io',
  kind: 'Ingress',
  plural: 'ingresses',
  namespaced: true,
  shortNames: ['ing'],
  hasStatus: true,
  generation: true,
});
