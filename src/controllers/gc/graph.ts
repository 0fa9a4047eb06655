import type { Resource } from '../../api/resource.ts';
import type { KubeObject, OwnerReference } from '../../api/types.ts';

export const ORPHAN = 'orphan';
export const FOREGROUND = 'foregroundDeletion';

/** What the collector keeps of an object that has owners, or waits for its dependents to end. */
export interface Item {
  readonly uid: string;
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

/**
 * Who owns whom. Of each object only uid and namespace are kept, and an {@link Item} of those that ownership concerns:
 * most objects of a cluster have neither owners nor dependents.
 */
export class Graph {
  readonly #namespaces = new Map<string, string>();
  readonly #items = new Map<string, Item>();
  readonly #dependents = new Map<string, Set<string>>();

  item(uid: string): Item | undefined {
    return this.#items.get(uid);
  }

  /** Namespace of an object that exists (`''`: none); undefined where no object has this uid. */
  namespaceOf(uid: string): string | undefined {
    return this.#namespaces.get(uid);
  }

  dependentsOf(uid: string): Item[] {
    return [...(this.#dependents.get(uid) ?? [])].flatMap((each) => this.#items.get(each) ?? []);
  }

  set(resource: Resource, object: KubeObject): Item | undefined {
    const item = itemOf(resource, object);
    this.#unlink(item.uid);
    this.#namespaces.set(item.uid, item.namespace);
    if (item.owners.length === 0 && !(item.deleting && item.finalizers.length > 0)) return undefined;
    this.#items.set(item.uid, item);
    for (const { uid } of item.owners) {
      const dependents = this.#dependents.get(uid) ?? new Set();
      this.#dependents.set(uid, dependents.add(item.uid));
    }
    return item;
  }

  remove(uid: string): Item | undefined {
    const item = this.#items.get(uid);
    this.#unlink(uid);
    this.#namespaces.delete(uid);
    return item;
  }

  #unlink(uid: string): void {
    const item = this.#items.get(uid);
    if (!item) return;
    this.#items.delete(uid);
    for (const owner of item.owners) {
      const dependents = this.#dependents.get(owner.uid);
      dependents?.delete(uid);
      if (dependents?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}

export function itemOf(resource: Resource, object: KubeObject): Item {
  const { uid = '', name = '', namespace = '', ownerReferences = [], finalizers = [] } = object.metadata ?? {};
  return {
    uid,
    resource,
    namespace,
    name,
    owners: ownerReferences,
    deleting: object.metadata?.deletionTimestamp !== undefined,
    finalizers: finalizers.filter((each) => each === ORPHAN || each === FOREGROUND),
  };
}

/** Goes only when what depends on it and says so is gone. */
export const isWaiting = (item: Item): boolean => item.deleting && item.finalizers.includes(FOREGROUND);
