import type { Namespace } from '../../types.ts';
import { defineKind, subresource } from '../define.ts';

export const namespace = defineKind<Namespace>({
  group: '',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
  shortNames: ['ns'],
  hasStatus: true,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [subresource('finalize', 'Namespace', ['update'])],
});
