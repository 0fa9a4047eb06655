import type { StatefulSet } from '../../types.ts';
import { defineKind, replicaScale } from '../define.ts';

export const statefulSet = defineKind<StatefulSet>({
  group: 'apps',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  namespaced: true,
  shortNames: ['sts'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
  scale: replicaScale,
});
