import type { KubeObject } from '../../types.ts';
import { ageColumn, integer, nameColumn } from '../columns.ts';
import { defineKind } from '../define.ts';

interface WebhookConfiguration extends KubeObject {
  webhooks?: readonly unknown[];
}

const columns = [
  nameColumn,
  integer('Webhooks', ({ webhooks }: WebhookConfiguration) => (webhooks ?? []).length, 'How many it has.'),
  ageColumn,
];

// Stored and shown.

export const validatingWebhookConfiguration = defineKind<WebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
  columns,
});

export const mutatingWebhookConfiguration = defineKind<WebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
  generation: true,
  columns,
});
