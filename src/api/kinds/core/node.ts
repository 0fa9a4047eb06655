import type { Node } from '../../types.ts';
import { defineKind, subresource } from '../define.ts';

export const node = defineKind<Node>({
  group: '',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
  shortNames: ['no'],
  hasStatus: true,
  subresources: [subresource('proxy', 'NodeProxyOptions', ['create', 'delete', 'get', 'patch', 'update'])],
});
