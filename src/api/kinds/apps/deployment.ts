import type { Deployment } from '../../types.ts';
import { defineKind, replicaScale } from '../define.ts';

export const deployment = defineKind<Deployment>({
  group: 'apps',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
  shortNames: ['deploy'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
  scale: replicaScale,
});
