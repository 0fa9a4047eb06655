import type { IngressClass } from '../../types.ts';
import { defineKind } from '../define.ts';

export const ingressClass = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  namespaced: false,
  generation: true,
});
