import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { ApiError, type Client, isNotFound } from '../client/client.ts';
import { controllerReference } from './owners.ts';

export interface Claim<T extends KubeObject, O extends KubeObject> {
  readonly client: Client;
  readonly resource: Resource<T>;
  readonly ownerResource: Resource<O>;
  readonly owner: O;
  matches(object: T): boolean;
  /** What the owner controls by its reference. */
  readonly owned: readonly T[];
  /** What nothing controls, in the owner's namespace. */
  readonly orphans: readonly T[];
  /** What an object has while it is the owner's: given when it is adopted, taken when it is let go. */
  readonly finalizer?: string;
}

/**
 * The objects that belong to an owner: adopts orphans that match its selector and lets go of what no longer matches
 * (kube-controller-manager's ControllerRefManager).
 */
export async function claim<T extends KubeObject, O extends KubeObject>(options: Claim<T, O>): Promise<T[]> {
  const { owner, owned, orphans, matches } = options;
  if (owner.metadata?.deletionTimestamp) return [...owned];
  const kept: T[] = [];
  const strays: T[] = [];
  for (const object of owned) {
    if (matches(object)) kept.push(object);
    else if (!object.metadata?.deletionTimestamp) strays.push(object);
  }
  const found = orphans.filter((object) => matches(object) && !object.metadata?.deletionTimestamp);
  await Promise.all(strays.map((object) => release(options, object)));
  if (found.length === 0) return kept;
  if (!(await stillThere(options))) return kept;
  const adopted = await Promise.all(found.map((object) => adopt(options, object)));
  return [...kept, ...adopted.filter((object) => object !== undefined)];
}

/** The copy may be old: an owner that is being deleted, or was made anew, must not adopt. */
async function stillThere<T extends KubeObject, O extends KubeObject>(options: Claim<T, O>): Promise<boolean> {
  const { client, ownerResource, owner } = options;
  const { name = '', namespace, uid } = owner.metadata ?? {};
  try {
    const live = await client.get(ownerResource, { name, namespace });
    return live.metadata?.uid === uid && !live.metadata?.deletionTimestamp;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function adopt<T extends KubeObject, O extends KubeObject>(
  options: Claim<T, O>,
  object: T,
): Promise<T | undefined> {
  const { ownerResource, owner, finalizer } = options;
  const { ownerReferences = [], finalizers = [] } = object.metadata ?? {};
  const kept = finalizer && !finalizers.includes(finalizer) ? [...finalizers, finalizer] : finalizers;
  return setOwners(options, object, [...ownerReferences, controllerReference(ownerResource, owner)], kept);
}

async function release<T extends KubeObject, O extends KubeObject>(options: Claim<T, O>, object: T): Promise<void> {
  const { ownerReferences = [], finalizers = [] } = object.metadata ?? {};
  const others = ownerReferences.filter((reference) => reference.uid !== options.owner.metadata?.uid);
  const kept = finalizers.filter((each) => each !== options.finalizer);
  await setOwners(options, object, others.length ? others : null, kept);
}

/** The resourceVersion makes it a compare-and-set: of two owners that adopt, one is refused and looks again. */
async function setOwners<T extends KubeObject, O extends KubeObject>(
  { client, resource }: Claim<T, O>,
  object: T,
  ownerReferences: unknown,
  finalizers: readonly string[],
): Promise<T | undefined> {
  const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
  try {
    const patch = { metadata: { uid, resourceVersion, ownerReferences, finalizers } };
    return await client.patch(resource, { name, namespace }, 'merge', patch);
  } catch (error) {
    // It is gone, or another one of the same name.
    if (isNotFound(error) || (error instanceof ApiError && error.code === 422)) return undefined;
    throw error;
  }
}
