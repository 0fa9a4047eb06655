import { compileNodeSelector } from './node-selectors.ts';
import { compareQuantities, parseQuantity } from './quantity.ts';
import { compileLabelSelector } from './selectors.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from './types.ts';

/** Written by the controller when the claim and its volume have both been written. */
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
/** What the controller has bound it may unbind; what people have bound stays. */
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** Where the scheduler wants a claim's volume to be made. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** Class of volumes that nobody makes. */
export const NO_PROVISIONER = 'kubernetes.io/no-provisioner';
const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class';
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** `''` where there is none; `undefined` for a claim that takes the default class. */
export function className(object: PersistentVolume | PersistentVolumeClaim): string | undefined {
  return object.metadata?.annotations?.[BETA_CLASS] ?? object.spec?.storageClassName;
}

/** The newest of the default classes. */
export function defaultClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const age = ({ metadata }: StorageClass) => metadata?.creationTimestamp ?? '';
  return classes
    .filter(({ metadata }) => metadata?.annotations?.[DEFAULT_CLASS] === 'true')
    .toSorted((a, b) => age(b).localeCompare(age(a)))[0];
}

/** Whether the claim's volume is chosen only when a pod that uses it has a node. */
export const waitsForConsumer = (storageClass: StorageClass | undefined): boolean =>
  storageClass?.volumeBindingMode === 'WaitForFirstConsumer';

export const isBound = (claim: PersistentVolumeClaim): boolean =>
  Boolean(claim.spec?.volumeName) && claim.metadata?.annotations?.[BIND_COMPLETED] !== undefined;

/** Whether the volume is kept for this claim, by its uid or, before it was bound, by its name. */
export function isKeptFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { name, namespace, uid } = spec?.claimRef ?? {};
  return name === metadata?.name && namespace === metadata?.namespace && (!uid || uid === metadata?.uid);
}

/** Whether the volume has all that the claim asks for. Whose it is, is not looked at. */
export function satisfies(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { resources, accessModes = [], volumeMode = 'Filesystem', selector } = claim.spec ?? {};
  const attributesOf = ({ spec }: PersistentVolume | PersistentVolumeClaim) => spec?.volumeAttributesClassName ?? '';
  const asked = resources?.requests?.storage ?? '0';
  return (
    compareQuantities(parseQuantity(volume.spec?.capacity?.storage ?? '0'), parseQuantity(asked)) >= 0 &&
    accessModes.every((mode) => volume.spec?.accessModes?.includes(mode)) &&
    (volume.spec?.volumeMode ?? 'Filesystem') === volumeMode &&
    (className(volume) ?? '') === (className(claim) ?? '') &&
    attributesOf(volume) === attributesOf(claim) &&
    (!selector || compileLabelSelector(selector).matches(volume.metadata?.labels ?? {}))
  );
}

/** Whether the volume can be used on the node. */
export function isReachable({ spec }: PersistentVolume, node: Node): boolean {
  const required = spec?.nodeAffinity?.required;
  return !required || compileNodeSelector(required)(node);
}

/** The smallest free volume that satisfies the claim, or the one that is kept for it. */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
): PersistentVolume | undefined {
  const fitting = volumes.filter((volume) => !volume.metadata?.deletionTimestamp && satisfies(volume, claim));
  const size = ({ spec }: PersistentVolume) => parseQuantity(spec?.capacity?.storage ?? '0');
  return (
    fitting.find((volume) => isKeptFor(volume, claim)) ??
    fitting
      .filter(({ spec, status }) => !spec?.claimRef && status?.phase === 'Available')
      .sort((a, b) => compareQuantities(size(a), size(b)))[0]
  );
}

export interface ClaimUse {
  /** Of the pod's volume. */
  readonly volume: string;
  readonly claim: string;
  /** The claim is made for this pod, and has to be its own. */
  readonly ephemeral: boolean;
}

/** The claims that a pod uses, in its namespace. */
export function claimsOf({ metadata, spec }: Pod): ClaimUse[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }): ClaimUse[] => {
    if (persistentVolumeClaim) return [{ volume: name, claim: persistentVolumeClaim.claimName, ephemeral: false }];
    return ephemeral ? [{ volume: name, claim: `${metadata?.name}-${name}`, ephemeral: true }] : [];
  });
}
