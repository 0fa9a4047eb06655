import type { Kind } from '../../../api/kind.ts';
import type { KubeObject } from '../../../api/types.ts';
import type { AdmissionRequest } from '../chain.ts';

/** `request` of an admission.k8s.io/v1 AdmissionReview. `shown` is the version that is asked for. */
export function reviewRequest(request: AdmissionRequest, shown: Kind, uid: string) {
  const { kind, subresource, name, namespace, operation, user, dryRun } = request;
  const subResource = subresource || undefined;
  const objectName = name || request.object?.metadata?.name || undefined;
  return {
    uid,
    kind: { group: shown.group, version: shown.version, kind: shown.kind },
    resource: { group: shown.group, version: shown.version, resource: shown.plural },
    subResource,
    requestKind: { group: kind.group, version: kind.version, kind: kind.kind },
    requestResource: { group: kind.group, version: kind.version, resource: kind.plural },
    requestSubResource: subResource,
    name: objectName,
    namespace: namespace || undefined,
    operation,
    userInfo: { username: user.name, uid: user.uid, groups: user.groups, extra: user.extra },
    object: inVersion(kind, shown, request.object),
    oldObject: inVersion(kind, shown, request.old),
    dryRun,
    options: { kind: optionKinds[operation], apiVersion: 'meta.k8s.io/v1', dryRun: dryRun ? ['All'] : undefined },
  };
}

const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const;

/** An object in another version of its kind. */
export function inVersion(from: Kind, to: Kind, object: KubeObject | undefined): KubeObject | null {
  if (!object) return null;
  if (from === to) return object;
  const stored = from.storedAs?.toStored(structuredClone(object)) ?? structuredClone(object);
  return to.storedAs?.fromStored(stored) ?? stored;
}
