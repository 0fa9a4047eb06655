import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../../api/resource.ts';
import type { KubeObject, OwnerReference } from '../../api/types.ts';
import type { Running } from '../../base/running.ts';
import { type DeleteOptions, isConflict, isNotFound } from '../../client/client.ts';
import type { ControllerContext } from '../context.ts';
import { FOREGROUND, Graph, type Item, isWaiting, itemOf, ORPHAN } from './graph.ts';
import { observe } from './observer.ts';

type Policy = NonNullable<DeleteOptions['propagationPolicy']>;

/**
 * Deletes what has owners and has lost all of them, and carries out foreground and orphaning deletion. As Kubernetes'
 * collector it watches all kinds, but keeps only uids and who owns whom; and it deletes nothing without having asked
 * the API server itself whether the owners are gone.
 */
export function startGarbageCollector({ client, log: parent, run, events: recorder }: ControllerContext): Running {
  const log = parent.child('garbage-collector');
  const abort = new AbortController();
  const graph = new Graph();
  const events = recorder('garbage-collector-controller');

  const observer = observe({
    client,
    log,
    signal: abort.signal,
    set(resource, object) {
      const item = graph.set(resource, object);
      if (!item) return;
      const holdsDependents = item.deleting && item.finalizers.length > 0;
      const lostOwner = item.owners.some((owner) => !isKnown(owner, item.namespace));
      if (holdsDependents || lostOwner) controller.enqueue(item.uid);
      for (const { uid } of item.owners) enqueueWaiting(uid);
    },
    remove(uid) {
      const item = graph.remove(uid);
      for (const dependent of graph.dependentsOf(uid)) controller.enqueue(dependent.uid);
      for (const owner of item?.owners ?? []) enqueueWaiting(owner.uid);
    },
  });

  /** Owners are in the dependent's namespace, or in none. */
  const isKnown = ({ uid }: OwnerReference, namespace: string): boolean => {
    const present = graph.namespaceOf(uid);
    return present === namespace || present === '';
  };

  /** The owner goes only after this dependent. */
  const isAwaiting = ({ uid, blockOwnerDeletion }: OwnerReference): boolean => {
    const owner = graph.item(uid);
    return owner !== undefined && isWaiting(owner) && blockOwnerDeletion === true;
  };

  const enqueueWaiting = (uid: string): void => {
    const owner = graph.item(uid);
    if (owner && isWaiting(owner)) controller.enqueue(uid);
  };

  const controller = run({
    name: 'garbage-collector',
    informers: [observer],
    workers: 8,
    async sync(uid) {
      const item = graph.item(uid);
      if (!item) return;
      if (item.deleting && item.finalizers.includes(ORPHAN)) return orphanDependents(item);
      if (isWaiting(item)) return endDependents(item);
      if (!item.deleting && item.owners.length > 0) await collect(item);
    },
  });

  const orphanDependents = async (item: Item): Promise<void> => {
    await Promise.all(graph.dependentsOf(item.uid).map((dependent) => dropOwners(dependent, [item.uid])));
    await dropFinalizer(item, ORPHAN);
  };

  /** Dependents that block have to be gone; whether they can be is looked at for each. */
  const endDependents = async (item: Item): Promise<void> => {
    const blocking = graph.dependentsOf(item.uid).filter((dependent) => blocks(dependent, item.uid));
    if (blocking.length === 0) return dropFinalizer(item, FOREGROUND);
    for (const dependent of blocking) if (!dependent.deleting) controller.enqueue(dependent.uid);
  };

  const collect = async (item: Item): Promise<void> => {
    // By now all kinds are listed, and most owners that were unknown when the item came are there.
    if (item.owners.every((owner) => isKnown(owner, item.namespace) && !isAwaiting(owner))) return;
    const live = await get(item.resource, item);
    // Gone, or another one of the same name: the watch will tell.
    if (live?.metadata?.uid !== item.uid || live.metadata.deletionTimestamp) return;
    const present = itemOf(item.resource, live);
    const states = await Promise.all(present.owners.map((owner) => stateOf(owner, live)));
    const uidsOf = (state: OwnerState) => present.owners.filter((_, i) => states[i] === state).map(({ uid }) => uid);
    const [absent, waiting] = [uidsOf('absent'), uidsOf('waiting')];
    if (absent.length + waiting.length === 0) return;
    if (states.includes('present')) return dropOwners(present, [...absent, ...waiting]);
    const dependents = graph.dependentsOf(item.uid);
    const inForeground = waiting.length > 0 && dependents.length > 0;
    // In a circle each would wait for the next: what is a dependent's dependent itself blocks nobody.
    const inCircle = inForeground && dependents.some(isWaiting);
    if (inCircle) await unblockOwners(present);
    const latest = inCircle ? await get(item.resource, item) : live;
    if (latest) await remove(present, latest, inForeground ? 'Foreground' : policyOf(live));
  };

  type OwnerState = 'present' | 'waiting' | 'absent';

  const stateOf = async (owner: OwnerReference, dependent: KubeObject): Promise<OwnerState> => {
    const namespace = dependent.metadata?.namespace ?? '';
    if (isKnown(owner, namespace)) return isAwaiting(owner) ? 'waiting' : 'present';
    const resource = observer.find(owner.apiVersion, owner.kind);
    // Of a kind that is not served nobody can say that it is gone.
    if (!resource) throw new Error(`owner ${owner.kind} ${owner.name} is of a kind that is not served`);
    if (resource.namespaced && namespace === '')
      throw new Error(`a cluster-wide object cannot be owned by ${owner.kind} ${owner.name}`);
    const live = await get(resource, { namespace, name: owner.name });
    if (live?.metadata?.uid === owner.uid) return 'present';
    if (graph.namespaceOf(owner.uid) !== undefined) tellInvalid(owner, dependent, namespace);
    return 'absent';
  };

  const tellInvalid = (owner: OwnerReference, dependent: KubeObject, namespace: string): void => {
    const { apiVersion: version, kind, name, uid } = owner;
    const text = `ownerRef [${version}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    events.event(
      dependent,
      'Warning',
      'OwnerRefInvalidNamespace',
      `${text} does not exist in namespace "${namespace}"`,
    );
  };

  const get = async (resource: Resource, ref: { namespace: string; name: string }): Promise<KubeObject | undefined> => {
    try {
      return await client.get(resource, refOf(ref));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  /** Only what has still the owners that were asked for: it may have been adopted meanwhile. */
  const remove = async ({ resource, uid, ...ref }: Item, seen: KubeObject, policy: Policy): Promise<void> => {
    const end = (resourceVersion?: string) =>
      client.delete(resource, refOf(ref), { propagationPolicy: policy, preconditions: { uid, resourceVersion } });
    try {
      await end(seen.metadata?.resourceVersion).catch(async (error: unknown) => {
        const live = isConflict(error) ? await get(resource, ref) : undefined;
        const { metadata } = live ?? {};
        const isTheSame = isDeepStrictEqual(metadata?.ownerReferences, seen.metadata?.ownerReferences);
        if (metadata?.uid !== uid || !isTheSame) throw error;
        await end();
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const dropOwners = (item: Item, uids: readonly string[]): Promise<void> =>
    change(item, ({ ownerReferences = [] }) => ({
      ownerReferences: ownerReferences.filter(({ uid }) => !uids.includes(uid)),
    }));

  const unblockOwners = (item: Item): Promise<void> =>
    change(item, ({ ownerReferences = [] }) => ({
      ownerReferences: ownerReferences.map((owner) => ({ ...owner, blockOwnerDeletion: false })),
    }));

  const dropFinalizer = (item: Item, finalizer: string): Promise<void> =>
    change(item, ({ finalizers = [] }) => ({ finalizers: finalizers.filter((each) => each !== finalizer) }));

  /** Compare-and-set on the live object, so that nobody's finalizer or reference is lost. */
  const change = async (
    { resource, uid, ...ref }: Item,
    edit: (metadata: NonNullable<KubeObject['metadata']>) => KubeObject['metadata'],
  ): Promise<void> => {
    const live = await get(resource, ref);
    if (live?.metadata?.uid !== uid) return;
    const metadata = { uid, resourceVersion: live.metadata.resourceVersion, ...edit(live.metadata) };
    try {
      await client.patch(resource, refOf(ref), 'merge', { metadata });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  return {
    async stop() {
      abort.abort();
      await Promise.all([controller.stop(), observer.done]);
    },
  };
}

const refOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }) => ({
  namespace: namespace || undefined,
  name,
});

const blocks = (dependent: Item, owner: string): boolean =>
  dependent.owners.some(({ uid, blockOwnerDeletion }) => uid === owner && blockOwnerDeletion);

/** A finalizer that is there already says what its author wanted. */
function policyOf({ metadata }: KubeObject): Policy {
  if (metadata?.finalizers?.includes(ORPHAN)) return 'Orphan';
  return metadata?.finalizers?.includes(FOREGROUND) ? 'Foreground' : 'Background';
}
