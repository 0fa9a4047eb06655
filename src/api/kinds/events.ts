import { events } from '../resource.ts';
import type { Event, EventsEvent } from '../types.ts';
import { event } from './core/event.ts';
import { validateEvent, validateNewEvent } from './core/event-validation.ts';
import { defineKind } from './define.ts';

/** The same objects as core events, in their newer spelling: they are kept as core events. */
export const eventsEvent = defineKind<EventsEvent>({
  group: 'events.k8s.io',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  createdByPut: true,
  shortNames: ['ev'],
  fieldLabels: {
    reason: ({ reason }) => reason ?? '',
    type: ({ type }) => type ?? '',
    reportingController: ({ reportingController }) => reportingController ?? '',
    'regarding.kind': ({ regarding }) => regarding?.kind ?? '',
    'regarding.namespace': ({ regarding }) => regarding?.namespace ?? '',
    'regarding.name': ({ regarding }) => regarding?.name ?? '',
    'regarding.uid': ({ regarding }) => regarding?.uid ?? '',
    'regarding.apiVersion': ({ regarding }) => regarding?.apiVersion ?? '',
    'regarding.resourceVersion': ({ regarding }) => regarding?.resourceVersion ?? '',
    'regarding.fieldPath': ({ regarding }) => regarding?.fieldPath ?? '',
  },
  validate(object, old) {
    const core = toCore(object);
    const found = validateEvent(core, 'reportingController');
    return old ? found : [...found, ...validateNewEvent(core)];
  },
  columns: event.columns.map((column) => ({ ...column, cell: (object, now) => column.cell(toCore(object), now) })),
  storedAs: { resource: events, toStored: toCore, fromStored: (object) => fromCore(object as Event) },
});

function toCore(object: EventsEvent): Event {
  const { regarding, note, reportingController, deprecatedSource, ...same } = object;
  const { deprecatedFirstTimestamp, deprecatedLastTimestamp, deprecatedCount, ...rest } = same;
  const core: Partial<Event> = {
    ...rest,
    apiVersion: 'v1',
    involvedObject: regarding ?? {},
    message: note,
    reportingComponent: reportingController ?? '',
    reportingInstance: rest.reportingInstance ?? '',
    source: deprecatedSource ?? {},
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  };
  return core as Event;
}

function fromCore(object: Event): EventsEvent {
  const { involvedObject, message, reportingComponent, source, firstTimestamp, lastTimestamp, count, ...same } = object;
  const { series, eventTime, ...rest } = same;
  const made: Partial<EventsEvent> = {
    ...rest,
    apiVersion: 'events.k8s.io/v1',
    regarding: involvedObject,
    note: message,
    reportingController: reportingComponent,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  };
  if (eventTime) made.eventTime = eventTime;
  if (series) made.series = { count: series.count ?? 0, lastObservedTime: series.lastObservedTime ?? '' };
  return made as EventsEvent;
}
