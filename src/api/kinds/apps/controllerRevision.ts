import type { ControllerRevision } from '../../types.ts';
import { defineKind } from '../define.ts';

export const controllerRevision = defineKind<ControllerRevision>({
  group: 'apps',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  namespaced: true,
});
