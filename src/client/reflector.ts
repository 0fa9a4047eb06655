import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { Log } from '../base/log.ts';
import { Backoff, pause } from './backoff.ts';
import { ApiError, type Client, type SelectorOptions, type WatchEvent } from './client.ts';
import { isUnreachable } from './reachable.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Client;
  readonly resource: Resource<T>;
  readonly selector: SelectorOptions;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Resolves when the server answers again. */
  reachable(): Promise<void>;
  /** What is to be kept of an object as it came; called before the next page is asked for. Default: all. */
  keep?(object: T): T;
  /** All objects, as of one moment. */
  replace(items: T[]): void;
  apply(event: Exclude<WatchEvent<T>, { type: 'BOOKMARK' }>): void;
}

const PAGE = 500;
/** As client-go: watches end after five to ten minutes, so that a restarted server gets its share again. */
const WATCH_SECONDS = 300;
/** A watch that the server should have ended by itself this long ago is dead. */
const WATCH_GRACE_SECONDS = 30;
/** A failure that lasts longer than a server's restart is worth a line in the log. */
const QUIET_MS = 3_000;

/** Hands over the whole list once, then each change, until `signal` fires. Survives every failure of the server. */
export async function reflect<T extends KubeObject>(options: ReflectorOptions<T>): Promise<void> {
  const { signal } = options;
  const trouble = createTrouble(options);
  let version: string | undefined;
  while (!signal.aborted) {
    try {
      version ??= await list(options);
      for await (const next of watch(options, version)) {
        version = next;
        trouble.over();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.code === 410) version = undefined;
      await trouble.wait(error);
    }
  }
}

async function list<T extends KubeObject>(options: ReflectorOptions<T>) {
  const { client, resource, selector, replace, keep = all } = options;
  const items: T[] = [];
  let page = await client.list(resource, { ...selector, limit: PAGE });
  items.push(...page.items.map(keep));
  while (page.metadata.continue) {
    page = await client.list(resource, { ...selector, limit: PAGE, continue: page.metadata.continue });
    items.push(...page.items.map(keep));
  }
  replace(items);
  return page.metadata.resourceVersion;
}

const all = <T>(object: T): T => object;

/** Yields the version to resume from, after each event. */
async function* watch<T extends KubeObject>(options: ReflectorOptions<T>, from: string): AsyncGenerator<string> {
  const { client, resource, selector, signal, keep = all } = options;
  const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + Math.random()));
  const dead = new AbortController();
  const watchdog = setTimeout(() => dead.abort(), (timeoutSeconds + WATCH_GRACE_SECONDS) * 1000);
  watchdog.unref();
  const started = Date.now();
  let events = 0;
  try {
    const either = AbortSignal.any([signal, dead.signal]);
    for await (const event of client.watch(resource, {
      ...selector,
      resourceVersion: from,
      timeoutSeconds,
      signal: either,
    })) {
      events++;
      if (event.type !== 'BOOKMARK') options.apply({ ...event, object: keep(event.object) });
      const version = event.object.metadata?.resourceVersion;
      if (version) yield version;
    }
  } finally {
    clearTimeout(watchdog);
  }
  // A server that ends watches as soon as they begin must not be asked without a pause.
  if (events === 0 && Date.now() - started < 1_000) throw new Error('the watch ended as soon as it began');
}

/** Waits between attempts, and speaks up once when it takes long. */
function createTrouble<T extends KubeObject>({ resource, log, signal, reachable }: ReflectorOptions<T>) {
  const backoff = new Backoff({ firstMs: 50, maxMs: 5_000 });
  let since: number | undefined;
  let told = false;
  return {
    over() {
      if (told) log.info(`${resource.plural}: up to date again`);
      since = undefined;
      told = false;
      backoff.reset();
    },
    async wait(error: unknown) {
      since ??= Date.now();
      const refused = error instanceof ApiError && error.code !== 410 && error.code < 500;
      if (!told && (refused || Date.now() - since > QUIET_MS)) {
        told = true;
        log.warn(`${resource.plural}: cannot list or watch`, { error });
      }
      if (isUnreachable(error)) await reachable();
      else await pause(backoff.next(), signal);
    },
  };
}
