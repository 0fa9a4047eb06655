import type { Kind } from '../../../api/kind.ts';
import type { KubeObject } from '../../../api/types.ts';
import { translated } from '../../registry/view.ts';
import type { AdmissionRequest, ObjectKind } from '../chain.ts';

/** An object before and after, in the version that is asked for. */
export interface ShownObjects {
  readonly object: KubeObject | null;
  readonly oldObject: KubeObject | null;
}

export async function shownObjects(request: AdmissionRequest, shown: Kind): Promise<ShownObjects> {
  const { kind, object, old } = request;
  // The bodies of subresources have one version.
  if (request.objectKind) return { object: object ?? null, oldObject: old ?? null };
  const [next, before] = await Promise.all([inVersion(kind, shown, object), inVersion(kind, shown, old)]);
  return { object: next, oldObject: before };
}

/** `request` of an admission.k8s.io/v1 AdmissionReview. `shown` is the version that is asked for. */
export function reviewRequest(request: AdmissionRequest, shown: Kind, uid: string, objects: ShownObjects) {
  const { kind, subresource, name, namespace, operation, user, dryRun, objectKind } = request;
  const subResource = subresource || undefined;
  const objectName = name || request.object?.metadata?.name || undefined;
  return {
    uid,
    kind: namedKind(objectKind ?? shown),
    resource: { group: shown.group, version: shown.version, resource: shown.plural },
    subResource,
    requestKind: namedKind(objectKind ?? kind),
    requestResource: { group: kind.group, version: kind.version, resource: kind.plural },
    requestSubResource: subResource,
    name: objectName,
    namespace: namespace || undefined,
    operation,
    userInfo: { username: user.name, uid: user.uid, groups: user.groups, extra: user.extra },
    ...objects,
    dryRun,
    options: optionsOf(operation, dryRun),
  };
}

const namedKind = ({ group, version, kind }: ObjectKind | Kind) => ({ group, version, kind });

/** A connection has none. */
function optionsOf(operation: AdmissionRequest['operation'], dryRun: boolean) {
  if (operation === 'CONNECT') return null;
  return { kind: optionKinds[operation], apiVersion: 'meta.k8s.io/v1', dryRun: dryRun ? ['All'] : undefined };
}

const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const;

/** An object in another version of its kind. */
export async function inVersion(from: Kind, to: Kind, object: KubeObject | undefined): Promise<KubeObject | null> {
  if (!object) return null;
  if (from === to) return object;
  return translated(from, to, object);
}
