import { namespaces } from '../../api/resource.ts';
import type { Namespace } from '../../api/types.ts';
import { remembered } from '../cache/object.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden, notFound } from '../errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';

/** Namespaces that the cluster cannot be without. */
const immortal = new Set(['default', 'kube-system', 'kube-public']);
/** What may be created in a namespace that is going: the answers to who may do something. */
const alwaysCreated = new Set(['LocalSubjectAccessReview']);

/** Objects live in namespaces that are there, and none are born in one that is going. */
export function namespaceLifecycle(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    admit(request) {
      const { kind, operation, name } = request;
      if (operation === 'DELETE' && kind.kind === 'Namespace' && kind.group === '' && immortal.has(name)) {
        throw forbidden(kind, name, 'this namespace may not be deleted');
      }
      if (operation === 'CREATE' && kind.namespaced && !alwaysCreated.has(kind.kind)) assertAlive(cache, request);
      return undefined;
    },
  };
}

const isGoing = remembered((object) => object.parse<Namespace>().metadata?.deletionTimestamp !== undefined);

function assertAlive(cache: WatchCache, { kind, namespace, name }: AdmissionRequest): void {
  const found = cache.resource(namespaces).get(objectKey(namespaces, '', namespace));
  if (!found) throw notFound(namespaces, namespace);
  if (!isGoing(found)) return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  throw forbidden(kind, name, why, [cause]);
}
