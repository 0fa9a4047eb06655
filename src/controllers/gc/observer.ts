import type { Resource } from '../../api/resource.ts';
import type { KubeObject } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { pause } from '../../client/backoff.ts';
import type { Client } from '../../client/client.ts';
import { createReachability } from '../../client/reachable.ts';
import { reflect } from '../../client/reflector.ts';
import { can, type DiscoveredResource, discover } from '../discovery.ts';

export interface ObserverOptions {
  readonly client: Client;
  readonly log: Log;
  readonly signal: AbortSignal;
  set(resource: Resource, object: KubeObject): void;
  remove(uid: string): void;
}

/** New kinds are looked for this often, and when a definition of one changes. */
const DISCOVERY_MS = 30_000;
const RETRY_MS = 100;

/** Nobody owns or is owned by these, and there are many of them. */
const ignored = new Set(['events', 'events.events.k8s.io']);
/** What makes kinds come and go. */
const definitions = new Set(['customresourcedefinitions.apiextensions.k8s.io', 'apiservices.apiregistration.k8s.io']);

interface Watched {
  readonly done: Promise<void>;
  readonly stop: AbortController;
}

export interface Observer {
  /** All kinds were listed. */
  readonly synced: Promise<void>;
  readonly done: Promise<void>;
  /** The resource that an owner reference names. */
  find(apiVersion: string, kind: string): Resource | undefined;
}

/**
 * Watches every kind that can be deleted. Objects are handed on and not kept: of the many that there are, few are
 * anybody's owners or dependents.
 */
export function observe(options: ObserverOptions): Observer {
  const { client, log, signal } = options;
  const reachable = createReachability(client, signal);
  const synced = Promise.withResolvers<void>();
  const watched = new Map<string, Watched>();
  let wake = new AbortController();
  let resources: readonly DiscoveredResource[] = [];

  const watchNew = async (): Promise<void> => {
    wake = new AbortController();
    const { resources: found, failures } = await discover(client);
    // What another server has is still there while it does not answer.
    const silent = resources.filter(({ group, version }) => failures.has(`${group}/${version}`));
    resources = [...found, ...silent];
    const served = new Set(resources.map(idOf));
    for (const [id, { stop }] of watched) if (!served.has(id)) stop.abort();
    const fresh = resources.filter((each) => can(each, 'list', 'watch', 'delete') && !watched.has(idOf(each)));
    const listed = fresh
      .filter((each) => !ignored.has(idOf(each)))
      .map((resource) => {
        const first = Promise.withResolvers<void>();
        const stop = new AbortController();
        const id = idOf(resource);
        const changed = definitions.has(id) ? () => wake.abort() : () => undefined;
        const done = watchOne(options, resource, { reachable, listed: first.resolve, changed, stop: stop.signal });
        watched.set(id, { stop, done: done.then(() => void watched.delete(id)) });
        return first.promise;
      });
    await Promise.race([Promise.all(listed), aborted(signal)]);
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      let next = DISCOVERY_MS;
      try {
        await watchNew();
        if (!signal.aborted) synced.resolve();
      } catch (error) {
        if (watched.size > 0) log.warn(`cannot look for new kinds: ${messageOf(error)}`);
        next = watched.size > 0 ? DISCOVERY_MS : RETRY_MS;
      }
      await pause(next, AbortSignal.any([signal, wake.signal]));
    }
    await Promise.all([...watched.values()].map(({ done }) => done));
  };

  return {
    synced: synced.promise,
    done: run(),
    find: (apiVersion, kind) => {
      const [version = '', group = ''] = apiVersion.split('/').reverse();
      return (
        resources.find((each) => each.group === group && each.version === version && each.kind === kind) ??
        resources.find((each) => each.group === group && each.kind === kind)
      );
    },
  };
}

/** `deployments.apps`, as people write it. */
const idOf = ({ plural, group }: Resource): string => (group ? `${plural}.${group}` : plural);

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

interface Watch {
  reachable(): Promise<void>;
  /** All objects of the kind are known, or it is gone. */
  listed(): void;
  changed(): void;
  /** The kind is no longer served. */
  readonly stop: AbortSignal;
}

async function watchOne(
  options: ObserverOptions,
  resource: Resource,
  { reachable, listed, changed, stop }: Watch,
): Promise<void> {
  const { client, log, signal, set, remove } = options;
  const known = new Set<string>();
  const uidOf = (object: KubeObject) => object.metadata?.uid ?? '';
  await reflect<KubeObject>({
    client,
    resource,
    selector: {},
    log,
    signal: AbortSignal.any([signal, stop]),
    reachable,
    replace(items) {
      // Some may have come between the look for kinds and this list.
      if (items.length > 0) changed();
      const gone = new Set(known);
      for (const item of items) {
        gone.delete(uidOf(item));
        known.add(uidOf(item));
        set(resource, item);
      }
      for (const uid of gone) {
        known.delete(uid);
        remove(uid);
      }
      listed();
    },
    apply({ type, object }) {
      changed();
      if (type === 'DELETED') {
        known.delete(uidOf(object));
        remove(uidOf(object));
      } else {
        known.add(uidOf(object));
        set(resource, object);
      }
    },
  });
  listed();
  // Of a kind that is no longer served no object is left.
  if (!signal.aborted) for (const uid of known) remove(uid);
}
