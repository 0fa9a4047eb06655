import type { Kind } from '../../api/kind.ts';
import { invalid as invalidField } from '../../api/kinds/errors.ts';
import type { KubeObject } from '../../api/types.ts';
import { badRequest, conflict, invalid, objectModified } from '../errors.ts';

// What an update says of the object that it replaces.

interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** Whether an object names the version that it is to replace; `0` is any. */
export function namesVersion({ metadata }: KubeObject): boolean {
  const version = metadata?.resourceVersion;
  return version !== undefined && version !== '' && version !== '0';
}

/** A PUT carries the whole object, its name too. */
export function assertNamed({ name }: Place, { metadata }: KubeObject): void {
  if (metadata?.name) return;
  throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
}

/** Some kinds are only replaced by who says what he has seen. */
export function assertVersionGiven(kind: Kind, name: string, object: KubeObject): void {
  if (!kind.needsVersion || namesVersion(object)) return;
  // Kubernetes speaks of the resource here, where it else names the kind.
  const resource = { group: kind.group, kind: kind.plural };
  throw invalid(resource, name, [invalidField('metadata.resourceVersion', 0, 'must be specified for an update')]);
}

/** @throws StatusError 409 where somebody has written the object since */
export function assertSameVersion(kind: Kind, name: string, object: KubeObject, revision: number): void {
  if (namesVersion(object) && object.metadata?.resourceVersion !== String(revision)) throw objectModified(kind, name);
}

/** @throws StatusError 409 where another object of this name is meant; `old` is the one that is there, if any */
export function assertSameUid(kind: Kind, place: Place, object: KubeObject, old: KubeObject | undefined): void {
  const [wanted, present = ''] = [object.metadata?.uid, old?.metadata?.uid];
  if (!wanted || wanted === present) return;
  const parts = [
    'invalid object, Code: 4',
    `Key: ${keyOf(kind, place)}`,
    'ResourceVersion: 0',
    `AdditionalErrorMsg: Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${present}`,
  ];
  throw conflict(kind, place.name, `StorageError: ${parts.join(', ')}`);
}

/** What some resources are called in Kubernetes' store. */
const oldNames: Readonly<Record<string, string>> = {
  endpoints: 'services/endpoints',
  ingresses: 'ingress',
  nodes: 'minions',
  replicationcontrollers: 'controllers',
  services: 'services/specs',
};

/** Kubernetes tells clients where it keeps the object. */
function keyOf({ group, plural, schema, namespaced }: Kind, { namespace, name }: Place): string {
  const hasGroup = schema !== undefined || group === 'apiregistration.k8s.io' || group === 'apiextensions.k8s.io';
  const resource = hasGroup ? `${group}/${plural}` : (oldNames[plural] ?? plural);
  return ['', 'registry', resource, ...(namespaced ? [namespace] : []), name].join('/');
}
