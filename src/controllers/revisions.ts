import { isDeepStrictEqual } from 'node:util';
import { controllerRevisions } from '../api/resource.ts';
import type { ControllerRevision, KubeObject, LabelSelector, PodTemplateSpec } from '../api/types.ts';
import { isAlreadyExists, isNotFound } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import { claim } from './adoption.ts';
import type { ControllerContext } from './context.ts';
import { matchesSelector } from './labels.ts';
import { CONTROLLER_INDEX, controllerIndex, controllerReference, isControlledBy } from './owners.ts';
import { templateHash } from './template.ts';

/** What has a template whose history is kept in ControllerRevisions. */
export interface Revised extends KubeObject {
  spec?: {
    readonly selector: LabelSelector;
    readonly template: PodTemplateSpec;
    readonly revisionHistoryLimit?: number;
  };
  status?: { readonly collisionCount?: number };
}

export interface History {
  /** Oldest first. */
  readonly all: readonly ControllerRevision[];
  /** That of the present template. */
  readonly update: ControllerRevision;
  /** Templates that had a hash that another has, so far. */
  readonly collisionCount: number | undefined;
}

export interface Revisions<O extends Revised> {
  readonly informer: Informer<ControllerRevision>;
  /** The owner's history; records the present template, as the newest, where it is not yet. */
  of(owner: O): Promise<History>;
  /** Removes the oldest that no pod has, beyond `revisionHistoryLimit`. `live`: names of those in use. */
  prune(owner: O, history: History, live: ReadonlySet<string>): Promise<void>;
}

const CHANGE_CAUSE = 'kubernetes.io/change-cause';

/** The template that a revision holds. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec | undefined {
  const { $patch, ...template } = (data as Partial<ReturnType<typeof dataOf>> | undefined)?.spec?.template ?? {};
  return $patch ? template : undefined;
}

/** A strategic merge patch that puts the template back: `kubectl rollout undo` sends it as it is. */
const dataOf = (template: PodTemplateSpec) => ({ spec: { template: { ...template, $patch: 'replace' } } });

/** Keeps the histories of one kind of owner. `hashLabel` is what the kind calls a revision's hash. */
export function createRevisions<O extends Revised>(
  { client, informers }: ControllerContext,
  owners: Informer<O>,
  hashLabel: string,
): Revisions<O> {
  const { resource } = owners;
  const informer = informers.informer(controllerRevisions, { indexes: controllerIndex });

  const recorded = async (owner: O): Promise<ControllerRevision[]> => {
    const found = await claim({
      client,
      resource: controllerRevisions,
      ownerResource: resource,
      owner,
      matches: (revision) => matchesSelector(owner.spec?.selector ?? {}, revision.metadata?.labels),
      owned: informer.byIndex(CONTROLLER_INDEX, owner.metadata?.uid ?? ''),
      orphans: informer
        .byIndex(CONTROLLER_INDEX, '')
        .filter((revision) => revision.metadata?.namespace === owner.metadata?.namespace),
    });
    return found.sort((a, b) => a.revision - b.revision);
  };

  /** Resolves to `undefined` where another template has the name. */
  const create = async (owner: O, wanted: ControllerRevision): Promise<ControllerRevision | undefined> => {
    try {
      return await client.create(controllerRevisions, wanted);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const { name = '', namespace } = wanted.metadata ?? {};
      const present = await client.get(controllerRevisions, { name, namespace });
      // The copy was old.
      return isControlledBy(present, owner) && isDeepStrictEqual(present.data, wanted.data) ? present : undefined;
    }
  };

  const record = async (owner: O, revision: number): Promise<Pick<History, 'update' | 'collisionCount'>> => {
    for (let collisionCount = owner.status?.collisionCount; ; collisionCount = (collisionCount ?? 0) + 1) {
      const update = await create(owner, revisionOf(owner, revision, collisionCount));
      if (update) return { update, collisionCount };
    }
  };

  const revisionOf = (owner: O, revision: number, collisionCount: number | undefined): ControllerRevision => {
    const { name, namespace, annotations } = owner.metadata ?? {};
    const template = owner.spec?.template ?? {};
    const hash = templateHash(template, collisionCount);
    const cause = annotations?.[CHANGE_CAUSE];
    return {
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels: { ...template.metadata?.labels, [hashLabel]: hash },
        annotations: cause === undefined ? undefined : { [CHANGE_CAUSE]: cause },
        ownerReferences: [controllerReference(resource, owner)],
      },
      data: dataOf(template),
      revision,
    };
  };

  return {
    informer,
    async of(owner) {
      const all = await recorded(owner);
      const wanted = JSON.parse(JSON.stringify(dataOf(owner.spec?.template ?? {})));
      const present = all.findLast(({ data }) => isDeepStrictEqual(data, wanted));
      const { collisionCount } = owner.status ?? {};
      const newest = all.at(-1);
      if (present && present === newest) return { all, update: present, collisionCount };
      const revision = (newest?.revision ?? 0) + 1;
      if (!present) {
        const made = await record(owner, revision);
        return { all: [...all, made.update], ...made };
      }
      // Rolled back: what was, is the newest again.
      const update = await client.update(controllerRevisions, { ...present, revision });
      return { all: [...all.filter((each) => each !== present), update], update, collisionCount };
    },
    async prune(owner, { all, update }, live) {
      const idle = all.filter((each) => each !== update && !live.has(each.metadata?.name ?? ''));
      const surplus = idle.length - (owner.spec?.revisionHistoryLimit ?? 10);
      for (const { metadata } of idle.slice(0, Math.max(0, surplus))) {
        const { name = '', namespace, uid } = metadata ?? {};
        await client
          .delete(controllerRevisions, { name, namespace }, { preconditions: { uid } })
          .catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
      }
    },
  };
}
