import type { ReplicationController } from '../../types.ts';
import { defineKind, replicaScale } from '../define.ts';

export const replicationController = defineKind<ReplicationController>({
  group: '',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  namespaced: true,
  shortNames: ['rc'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
  scale: replicaScale,
});
