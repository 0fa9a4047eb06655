import type { Event } from '../../types.ts';
import { defineKind } from '../define.ts';

export const event = defineKind<Event>({
  group: '',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  shortNames: ['ev'],
});
