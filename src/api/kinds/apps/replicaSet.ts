import type { ReplicaSet } from '../../types.ts';
import { defineKind, replicaScale } from '../define.ts';

export const replicaSet = defineKind<ReplicaSet>({
  group: 'apps',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  namespaced: true,
  shortNames: ['rs'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
  scale: replicaScale,
});
