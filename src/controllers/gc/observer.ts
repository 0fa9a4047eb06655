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

/** New kinds (of custom resource definitions) are looked for this often. */
const DISCOVERY_MS = 30_000;
const RETRY_MS = 100;

/** Nobody owns or is owned by these, and there are many of them. */
const ignored = new Set(['events', 'events.events.k8s.io']);

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
  const watched = new Map<string, Promise<void>>();
  let resources: readonly DiscoveredResource[] = [];

  const watchNew = async (): Promise<void> => {
    resources = await discover(client);
    const fresh = resources.filter((each) => can(each, 'list', 'watch', 'delete') && !watched.has(idOf(each)));
    const listed = fresh
      .filter((each) => !ignored.has(idOf(each)))
      .map((resource) => {
        const first = Promise.withResolvers<void>();
        watched.set(idOf(resource), watchOne(options, resource, reachable, first.resolve));
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
      await pause(next, signal);
    }
    await Promise.all(watched.values());
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

function watchOne(
  options: ObserverOptions,
  resource: Resource,
  reachable: () => Promise<void>,
  listed: () => void,
): Promise<void> {
  const { client, log, signal, set, remove } = options;
  const known = new Set<string>();
  const uidOf = (object: KubeObject) => object.metadata?.uid ?? '';
  return reflect<KubeObject>({
    client,
    resource,
    selector: {},
    log,
    signal,
    reachable,
    replace(items) {
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
      if (type === 'DELETED') {
        known.delete(uidOf(object));
        remove(uidOf(object));
      } else {
        known.add(uidOf(object));
        set(resource, object);
      }
    },
  });
}
