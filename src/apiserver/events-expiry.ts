import { events } from '../api/resource.ts';
import type { Event } from '../api/types.ts';
import { RevisionConflict } from '../store/store.ts';
import { remembered } from './cache/object.ts';
import type { Context } from './context.ts';

/** How long an event is kept after it was last written (Kubernetes' `--event-ttl`). */
const EVENT_MS = 60 * 60_000;

/** Deletes events that are too old. */
export async function expireEvents(context: Context, now = Date.now()): Promise<void> {
  const old = context.cache
    .resource(events)
    .list()
    .filter((object) => lastWritten(object) < now - EVENT_MS);
  await Promise.all(old.map((object) => deleteUnlessChanged(context, object.key, object.revision)));
}

const lastWritten = remembered((object) => lastSeen(object.parse<Event>()));

function lastSeen({ metadata, lastTimestamp, eventTime, series }: Event): number {
  const times = [metadata?.creationTimestamp, lastTimestamp, eventTime, series?.lastObservedTime];
  return Math.max(...times.map((time) => (time ? Date.parse(time) : 0)));
}

async function deleteUnlessChanged(context: Context, key: string, revision: number): Promise<void> {
  try {
    await context.store.delete(key, revision);
  } catch (error) {
    if (!(error instanceof RevisionConflict)) throw error;
  }
}
