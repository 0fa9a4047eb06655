import { pods } from '../api/resource.ts';
import type { KubeObject, LabelSelector, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { keyOf } from '../client/cache.ts';
import { isAlreadyExists, isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informer, Key } from '../client/informer.ts';
import { claim } from './adoption.ts';
import { slowStart } from './batches.ts';
import type { ControllerContext } from './context.ts';
import { Expectations } from './expectations.ts';
import { matchesSelector } from './labels.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerOf } from './owners.ts';
import { isTerminating } from './pods.ts';

export interface OwnedPodsOptions<O extends KubeObject> {
  readonly owners: Informer<O>;
  readonly events: EventRecorder;
  selectorOf(owner: O): LabelSelector | undefined;
  /** Which orphans that match may be adopted. Default: all. */
  adopts?(pod: Pod): boolean;
  /** A finalizer that its pods have. */
  readonly finalizer?: string;
  /** The message of an event about a pod that was made or ended, or was not because of an error. */
  describe?(verb: Verb, owner: O, pod: Pod, error: unknown): string;
}

type Verb = 'create' | 'delete';

const reasons = {
  create: { done: 'SuccessfulCreate', failed: 'FailedCreate' },
  delete: { done: 'SuccessfulDelete', failed: 'FailedDelete' },
} as const;

function describeShortly(verb: Verb, _owner: KubeObject, pod: Pod, error: unknown): string {
  if (error !== undefined) return `Error ${verb === 'create' ? 'creating' : 'deleting'}: ${messageOf(error)}`;
  return `${verb === 'create' ? 'Created' : 'Deleted'} pod: ${pod.metadata?.name}`;
}

/** Pods that were not made or not ended, in the words of a `ReplicaFailure` condition. */
export interface Failure {
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly error: unknown;
}

/** The pods of one kind of owner: whose they are, what was done to them, and what is not seen of that yet. */
export interface OwnedPods<O extends KubeObject> {
  readonly informer: Informer<Pod>;
  /** The owner's pods. Adopts orphans that match its selector, and lets go of what no longer does. */
  of(owner: O): Promise<Pod[]>;
  /** Whether the copy shows all that was done for this owner. What it lacks would be done twice. */
  isCurrent(key: Key): boolean;
  /** Makes and ends pods, and tells so in events. Resolves to the first failure. */
  change(owner: O, create: readonly Pod[], remove?: readonly Pod[]): Promise<Failure | undefined>;
  /** Enqueues owners whose pods, or who themselves, have changed. To be called once. */
  follow(controller: Pick<Controller, 'enqueue'>): void;
}

export function createOwnedPods<O extends KubeObject>(
  { client, informers }: Pick<ControllerContext, 'client' | 'informers'>,
  { owners, events, selectorOf, adopts = () => true, finalizer, describe = describeShortly }: OwnedPodsOptions<O>,
): OwnedPods<O> {
  const { resource } = owners;
  const informer = informers.informer(pods, { indexes: controllerIndex });
  const expectations = new Expectations();
  const matches = (owner: O, pod: Pod): boolean => {
    const selector = selectorOf(owner);
    return selector !== undefined && matchesSelector(selector, pod.metadata?.labels);
  };

  const tell = (verb: Verb, owner: O, pod: Pod, error?: unknown): void => {
    const message = describe(verb, owner, pod, error);
    if (error === undefined) events.event(owner, 'Normal', reasons[verb].done, message);
    else events.event(owner, 'Warning', reasons[verb].failed, message);
  };

  const create = async (owner: O, pod: Pod): Promise<void> => {
    try {
      tell('create', owner, await client.create(pods, pod));
    } catch (error) {
      // A pod with a name of its own is there already: the copy was old, or it is somebody else's.
      if (!isAlreadyExists(error)) tell('create', owner, pod, error);
      throw error;
    }
  };

  const remove = async (owner: O, pod: Pod): Promise<void> => {
    const { name = '', namespace, uid = '' } = pod.metadata ?? {};
    try {
      await client.delete(pods, { name, namespace }, { preconditions: { uid } });
      tell('delete', owner, pod);
    } catch (error) {
      expectations.deleted(keyOf(owner), uid);
      if (isNotFound(error)) return;
      tell('delete', owner, pod, error);
      throw error;
    }
  };

  const onPod = (pod: Pod | undefined, old: Pod | undefined): void => {
    // Deleted and made anew under the same name, between two looks.
    if (pod && old && pod.metadata?.uid !== old.metadata?.uid) {
      onPod(undefined, old);
      onPod(pod, undefined);
      return;
    }
    const key = ownerKey(pod ?? old);
    if (key && pod && !old) expectations.created(key);
    if (key && (!pod || isTerminating(pod))) expectations.deleted(key, (pod ?? old)?.metadata?.uid ?? '');
  };

  const ownerKey = (pod: Pod | undefined): Key | undefined => {
    const owner = pod && controllerOf(pod);
    if (owner?.kind !== resource.kind || owner.apiVersion.split('/').at(-2) !== (resource.group || undefined)) return;
    return `${pod?.metadata?.namespace}/${owner.name}`;
  };

  return {
    informer,
    of: (owner) =>
      claim({
        client,
        resource: pods,
        ownerResource: resource,
        owner,
        finalizer,
        matches: (pod) => matches(owner, pod),
        owned: informer.byIndex(CONTROLLER_INDEX, owner.metadata?.uid ?? ''),
        orphans: informer
          .byIndex(CONTROLLER_INDEX, '')
          .filter((pod) => pod.metadata?.namespace === owner.metadata?.namespace && adopts(pod)),
      }),
    isCurrent: (key) => expectations.fulfilled(key),
    async change(owner, created, removed = []) {
      const key = keyOf(owner);
      expectations.expect(
        key,
        created.length,
        removed.map((pod) => pod.metadata?.uid ?? ''),
      );
      const [making, ending] = await Promise.all([
        slowStart(created, (pod) => create(owner, pod)),
        Promise.allSettled(removed.map((pod) => remove(owner, pod))),
      ]);
      // What was not created will not be seen.
      expectations.created(key, created.length - making.done);
      if (making.error !== undefined) return { reason: 'FailedCreate', error: making.error };
      const failed = ending.find((result) => result.status === 'rejected');
      return failed && { reason: 'FailedDelete', error: failed.reason };
    },
    follow(controller) {
      owners.onChange((owner, old) => {
        const changed = owner ?? old;
        if (!changed) return;
        // The next one of this name owes nothing to this one.
        if (!owner || owner.metadata?.uid !== (old ?? owner).metadata?.uid) expectations.forget(keyOf(changed));
        controller.enqueue(keyOf(changed));
      });
      informer.onChange((pod, old) => {
        onPod(pod, old);
        for (const key of new Set([ownerKey(pod), ownerKey(old)])) if (key) controller.enqueue(key);
        if (!pod || controllerOf(pod)) return;
        for (const owner of owners.list(pod.metadata?.namespace ?? '')) {
          if (matches(owner, pod)) controller.enqueue(keyOf(owner));
        }
      });
    },
  };
}
