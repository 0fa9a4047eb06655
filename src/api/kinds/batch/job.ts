import type { Job } from '../../types.ts';
import { defineKind } from '../define.ts';

export const job = defineKind<Job>({
  group: 'batch',
  kind: 'Job',
  plural: 'jobs',
  namespaced: true,
  categories: ['all'],
  hasStatus: true,
  generation: true,
});
