import type { Event } from '../../types.ts';
import { nameColumn, text, wide } from '../columns.ts';
import { defineKind } from '../define.ts';
import { ageOf } from '../duration.ts';
import { pathSegment } from '../names.ts';
import { validateEvent } from './event-validation.ts';

export const event = defineKind<Event>({
  group: '',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  createdByPut: true,
  shortNames: ['ev'],
  // Its names are anything that a URL can hold.
  nameRule: pathSegment,
  validate: (object) => validateEvent(object, 'reportingComponent'),
  fieldLabels: {
    'involvedObject.kind': ({ involvedObject }) => involvedObject?.kind ?? '',
    'involvedObject.namespace': ({ involvedObject }) => involvedObject?.namespace ?? '',
    'involvedObject.name': ({ involvedObject }) => involvedObject?.name ?? '',
    'involvedObject.uid': ({ involvedObject }) => involvedObject?.uid ?? '',
    'involvedObject.apiVersion': ({ involvedObject }) => involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': ({ involvedObject }) => involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': ({ involvedObject }) => involvedObject?.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? '',
    source: ({ source, reportingComponent }) => source?.component || reportingComponent || '',
    type: ({ type }) => type ?? '',
  },
  columns: [
    text('Last Seen', lastSeen, 'When it last happened.'),
    text('Type', ({ type }) => type ?? '', 'Normal or Warning.'),
    text('Reason', ({ reason }) => reason ?? '', 'Why, in one word.'),
    text('Object', objectOf, 'What it happened to.'),
    wide(text('Subobject', ({ involvedObject }) => involvedObject?.fieldPath ?? '', 'Which part of the object.')),
    wide(text('Source', sourceOf, 'Who says it.')),
    text('Message', ({ message }) => (message ?? '').trim(), 'What happened.'),
    wide(text('First Seen', firstSeen, 'When it first happened.')),
    wide(text('Count', countOf, 'How often it happened.')),
    wide(nameColumn),
  ],
});

function firstSeen({ firstTimestamp, eventTime }: Event, now: number): string {
  return ageOf(firstTimestamp || eventTime, now);
}

function lastSeen(object: Event, now: number): string {
  const { series, lastTimestamp } = object;
  if (series) return ageOf(series.lastObservedTime, now);
  return lastTimestamp ? ageOf(lastTimestamp, now) : firstSeen(object, now);
}

function countOf({ series, count }: Event): number {
  return series ? (series.count ?? 0) : count || 1;
}

function objectOf({ involvedObject }: Event): string {
  const kind = (involvedObject?.kind ?? '').toLowerCase();
  return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind;
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const host = source?.host || reportingInstance;
  return `${source?.component || reportingComponent || ''}${host ? `, ${host}` : ''}`;
}
