import type { CronJob } from '../../types.ts';
import { defineKind } from '../define.ts';

export const cronJob = defineKind<CronJob>({
  group: 'batch',
  kind: 'CronJob',
  plural: 'cronjobs',
  namespaced: true,
  shortNames: ['cj'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
});
