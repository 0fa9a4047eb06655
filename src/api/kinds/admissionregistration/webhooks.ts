import type { KubeObject } from '../../types.ts';
import { defineKind } from '../define.ts';

export const validatingWebhookConfiguration = defineKind<KubeObject>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
});

export const mutatingWebhookConfiguration = defineKind<KubeObject>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
});
