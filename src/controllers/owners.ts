import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject, OwnerReference, Pod } from '../api/types.ts';

/** The reference to the one owner that controls this object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller);
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata?.uid;
}

export function controllerReference(resource: Resource, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersion(resource),
    kind: resource.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Index of objects by the uid of what controls them; `''` for those that nothing controls. */
export const CONTROLLER_INDEX = 'controller';
export const controllerIndex = {
  [CONTROLLER_INDEX]: (object: KubeObject): readonly string[] => [controllerOf(object)?.uid ?? ''],
};

/** Index of pods by the node they are on; `''` for those that wait for one. */
export const NODE_INDEX = 'nodeName';
export const nodeIndex = { [NODE_INDEX]: (pod: Pod): readonly string[] => [pod.spec?.nodeName ?? ''] };
