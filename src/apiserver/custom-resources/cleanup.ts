import { conditionOf, setCondition } from '../../api/kinds/apiextensions/conditions.ts';
import { CLEANUP } from '../../api/kinds/apiextensions/custom-resource-definition.ts';
import { customResourceDefinitions } from '../../api/resource.ts';
import type { CustomResourceDefinition, KubeObject } from '../../api/types.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import { deleteObject } from '../registry/delete.ts';
import { updateObject } from '../registry/write.ts';
import type { User } from '../request.ts';

/**
 * Deletes all objects of a definition that is being deleted, and lets it go when the last of them is gone (apiextensions'
 * finalizer). Resolves then, or with the server.
 */
export async function removeInstances(
  context: Context,
  crd: CustomResourceDefinition,
  user: User,
  signal: AbortSignal,
): Promise<void> {
  if (!crd.metadata?.finalizers?.includes(CLEANUP)) return;
  const established = conditionOf(crd, 'Established')?.status === 'True';
  if (established) {
    const progress = { reason: 'InstanceDeletionInProgress', message: 'CustomResource deletion is in progress' };
    await change(context, crd, user, (next) =>
      setCondition(next, { type: 'Terminating', status: 'True', ...progress }),
    );
    await deleteAll(context, crd, user);
    await isEmpty(context.cache.resource({ group: crd.spec.group, plural: crd.spec.names.plural }), signal);
    if (signal.aborted) return;
  }
  const end = established
    ? { reason: 'InstanceDeletionCompleted', message: 'removed all instances' }
    : { reason: 'NeverEstablished', message: 'resource was never established' };
  await change(context, crd, user, (next) => {
    setCondition(next, { type: 'Terminating', status: 'False', ...end });
    const metadata = next.metadata ?? {};
    metadata.finalizers = metadata.finalizers?.filter((finalizer) => finalizer !== CLEANUP);
  });
}

async function deleteAll(context: Context, crd: CustomResourceDefinition, user: User): Promise<void> {
  const { customKinds } = await import('../../api/custom-kind.ts');
  // In the storage version, whether it is served or not.
  const versions = crd.spec.versions.filter((version) => version.storage);
  const [kind] = customKinds({
    ...crd,
    spec: { ...crd.spec, versions: versions.map((each) => ({ ...each, served: true })) },
  });
  if (!kind) return;
  // A copy: the list itself loses what is deleted.
  for (const object of [...context.cache.resource(kind).list()]) {
    const [name = '', namespace = ''] = [object.field('metadata.name'), object.field('metadata.namespace')];
    const target = { kind, namespace, name, subresource: '', user, dryRun: false };
    await deleteObject(context, target, {}).catch(unlessGone);
  }
}

/** Resolves when a resource has no objects, whoever holds them back; or when the signal says so. */
function isEmpty(resource: ResourceCache, signal: AbortSignal): Promise<void> {
  if (resource.size === 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      resolve();
    };
    const unsubscribe = resource.subscribe(() => resource.size === 0 && done());
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Status and finalizers are written in one: nobody else writes them of a definition that goes. */
async function change(
  context: Context,
  crd: CustomResourceDefinition,
  user: User,
  edit: (crd: CustomResourceDefinition) => void,
): Promise<void> {
  const kind = context.kinds.find(customResourceDefinitions);
  if (!kind) return;
  const name = crd.metadata?.name ?? '';
  // Without its subresources, both parts are written at once.
  const whole = { ...kind, hasStatus: false };
  const target = { kind: whole, namespace: '', name, subresource: '', user, dryRun: false };
  const next = (current: KubeObject) => {
    edit(current as CustomResourceDefinition);
    return current;
  };
  await updateObject(context, target, next, { retry: true }).catch(unlessGone);
}

function unlessGone(error: unknown): void {
  if (!(error instanceof StatusError) || error.code !== 404) throw error;
}
