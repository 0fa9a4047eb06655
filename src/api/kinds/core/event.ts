import type { FieldError } from '../../kind.ts';
import type { Event } from '../../types.ts';
import { nameColumn, text, wide } from '../columns.ts';
import { defineKind } from '../define.ts';
import { ageOf } from '../duration.ts';
import { invalid } from '../errors.ts';

/** Where events of objects without a namespace are kept. */
const clusterEvents = ['default', 'kube-system'];

export const event = defineKind<Event>({
  group: '',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  createdByPut: true,
  shortNames: ['ev'],
  validate: ({ metadata, involvedObject }) =>
    validateEventNamespace(metadata?.namespace, involvedObject?.namespace, 'involvedObject.namespace'),
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

/** An event stands in the namespace of what it is about. */
export function validateEventNamespace(
  here: string | undefined,
  namespace: string | undefined,
  field: string,
): FieldError[] {
  if ((namespace ?? '') === (here ?? '') || (!namespace && clusterEvents.includes(here ?? ''))) return [];
  return [invalid(field, namespace ?? '', 'does not match event.namespace')];
}

function firstSeen({ firstTimestamp, eventTime }: Event, now: number): string {
  return ageOf(firstTimestamp || eventTime, now);
}

function lastSeen(object: Event, now: number): string {
  const last = object.series?.lastObservedTime ?? object.lastTimestamp;
  return last ? ageOf(last, now) : firstSeen(object, now);
}

function countOf({ series, count }: Event): number {
  return series?.count || count || 1;
}

function objectOf({ involvedObject }: Event): string {
  const kind = (involvedObject?.kind ?? '').toLowerCase();
  return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind;
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const host = source?.host || reportingInstance;
  return [source?.component || reportingComponent || '', host].filter(Boolean).join(', ');
}
