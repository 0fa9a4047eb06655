import type { Service } from '../../types.ts';
import { defineKind, subresource } from '../define.ts';

export const service = defineKind<Service>({
  group: '',
  kind: 'Service',
  plural: 'services',
  namespaced: true,
  shortNames: ['svc'],
  categories: ['all'],
  hasStatus: true,
  subresources: [subresource('proxy', 'ServiceProxyOptions', ['create', 'delete', 'get', 'patch', 'update'])],
});
