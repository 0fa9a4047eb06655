import type { Endpoints } from '../../types.ts';
import { defineKind } from '../define.ts';

export const endpoints = defineKind<Endpoints>({
  group: '',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  listKind: 'EndpointsList',
  namespaced: true,
  shortNames: ['ep'],
});
