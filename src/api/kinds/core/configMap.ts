import type { ConfigMap } from '../../types.ts';
import { defineKind } from '../define.ts';

export const configMap = defineKind<ConfigMap>({
  group: '',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
  shortNames: ['cm'],
});
