import { events } from '../resource.ts';
import type { Event, EventsEvent, KubeObject } from '../types.ts';
import { defineKind } from './define.ts';

/** The same objects as core events, in their newer spelling: they are kept as core events. */
export const eventsEvent = defineKind<EventsEvent>({
  group: 'events.k8s.io',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  shortNames: ['ev'],
  storedAs: { resource: events, toStored: toCore, fromStored: (object) => fromCore(object as Event) },
});

function toCore(object: EventsEvent): KubeObject {
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
  return core;
}

function fromCore(object: Event): EventsEvent {
  const { involvedObject, message, reportingComponent, source, firstTimestamp, lastTimestamp, count, ...same } = object;
  const { series, eventTime, ...rest } = same;
  const event: Partial<EventsEvent> = {
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
  if (eventTime) event.eventTime = eventTime;
  if (series) event.series = { count: series.count ?? 0, lastObservedTime: series.lastObservedTime ?? '' };
  return event as EventsEvent;
}
