import type { ServiceAccount } from '../../types.ts';
import { ageColumn, nameColumn } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';

export const serviceAccount = defineKind<ServiceAccount>({
  group: '',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
  shortNames: ['sa'],
  subresources: [subresource('token', 'TokenRequest', ['create'], 'authentication.k8s.io/v1')],
  columns: [nameColumn, ageColumn],
});
