import { setTimeout as delay } from 'node:timers/promises';
import { events } from '../api/resource.ts';
import type { Event, KubeObject } from '../api/types.ts';
import { ApiError, type Client, isNotFound } from './client.ts';

export type EventType = 'Normal' | 'Warning';

export interface EventSource {
  /** `deployment-controller`, `kubelet` */
  readonly component: string;
  /** The node, for what runs on one. */
  readonly host?: string;
}

/** Tells people what happened to an object. Never throws and never makes its caller wait. */
export interface EventRecorder {
  /**
   * `object` must carry its kind, as all objects do that come through {@link Client}. The same event again only
   * raises the first one's count. `fieldPath` names a part of the object: `spec.containers{web}`.
   */
  event(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void;
  /** Resolves when all events so far were sent or given up. */
  flush(): Promise<void>;
}

/** Beyond these, as in client-go's correlator, an object has said enough for now. */
const BURST = 25;
const REFILL_MS = 300_000;
/** Events and objects that are remembered. */
const REMEMBERED = 2048;
/** Events that may wait for the server; later ones are dropped. */
const WAITING = 1000;
const ATTEMPTS = 5;

interface Sent {
  readonly name: string;
  count: number;
}

export function createEventRecorder(client: Client, source: EventSource): EventRecorder {
  const sent = new Map<string, Sent>();
  const allowed = createAllowance();
  let waiting = 0;
  let tail = Promise.resolve();

  const write = async (event: Event, id: string): Promise<void> => {
    const { namespace = '' } = event.metadata;
    const known = sent.get(id);
    if (known) {
      known.count++;
      const patch = { count: known.count, lastTimestamp: event.lastTimestamp };
      try {
        await client.patch(events, { namespace, name: known.name }, 'merge', patch);
        return;
      } catch (error) {
        // Events are forgotten after an hour; then it is a new one.
        if (!isNotFound(error)) throw error;
      }
    }
    await client.create(events, event);
    remember(sent, id, { name: event.metadata.name ?? '', count: 1 });
  };

  return {
    event(object, type, reason, message, fieldPath) {
      if (waiting >= WAITING || !allowed(object.metadata?.uid ?? object.metadata?.name ?? '')) return;
      const event = newEvent(source, object, { type, reason, message, fieldPath });
      const id = [object.metadata?.uid, fieldPath, type, reason, message].join('\n');
      waiting++;
      tail = tail
        .then(() => persist(() => write(event, id)))
        .finally(() => {
          waiting--;
        });
    },
    flush: () => tail,
  };
}

/** An event is not worth more than a few attempts, and none where the server refuses it. */
async function persist(write: () => Promise<void>): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (error instanceof ApiError && error.code < 500) return;
      if (attempt < ATTEMPTS) await delay(200 * 2 ** attempt, undefined, { ref: false });
    }
  }
}

interface EventText {
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  readonly fieldPath?: string;
}

let last = 0n;

/** Names are the object's and a time, as in client-go; two of one moment differ all the same. */
function uniqueTime(): string {
  const now = BigInt(Date.now()) * 1_000_000n;
  last = now > last ? now : last + 1n;
  return last.toString(16);
}

function newEvent(source: EventSource, object: KubeObject, text: EventText): Event {
  const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    // Objects without a namespace have their events in `default`.
    metadata: { name: `${name}.${uniqueTime()}`, namespace: namespace ?? 'default' },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      namespace,
      uid,
      resourceVersion,
      fieldPath: text.fieldPath,
    },
    type: text.type,
    reason: text.reason,
    message: text.message.slice(0, 1024),
    source: { component: source.component, host: source.host },
    reportingComponent: source.component,
    reportingInstance: source.host ?? '',
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
}

/** A bucket of tokens for each object. */
function createAllowance(): (object: string) => boolean {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return (object) => {
    const now = Date.now();
    const bucket = buckets.get(object) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL_MS);
    bucket.at = now;
    remember(buckets, object, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  };
}

/** Keeps the entries that were used last. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
