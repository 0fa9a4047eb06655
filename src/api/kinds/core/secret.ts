import type { Secret } from '../../types.ts';
import { defineKind } from '../define.ts';

export const secret = defineKind<Secret>({
  group: '',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
});
