import type { KubeObject } from '../../api/types.ts';
import type { ObjectKind } from '../admission/chain.ts';
import { decodeBody } from '../codec.ts';
import type { Context } from '../context.ts';
import { checkDefinition } from '../registry/decode.ts';
import { writeTargetOf } from '../registry/handlers.ts';
import type { KindRequest } from '../request.ts';

/** The body of a subresource that has a type of its own. */
export async function readBodyAs<T extends KubeObject>(
  request: KindRequest,
  definition: string,
  kind: string,
): Promise<T> {
  const { body, headers } = request.request;
  const object = await decodeBody(body, headers['content-type']);
  return checkDefinition(request, object, definition, kind, 'v1') as T;
}

/** Types that have no resource of their own: they are posted to a subresource. */
export const tokenRequestKind: ObjectKind = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  definition: 'io.k8s.api.authentication.v1.TokenRequest',
};
export const evictionKind: ObjectKind = {
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  definition: 'io.k8s.api.policy.v1.Eviction',
};
export const bindingKind: ObjectKind = {
  group: '',
  version: 'v1',
  kind: 'Binding',
  definition: 'io.k8s.api.core.v1.Binding',
};

/**
 * Reads what is posted to a subresource, and asks admission about it as a CREATE: it may change the body, and refuse it.
 *
 * @throws StatusError where the body is not of the kind, or is not admitted
 */
export async function admittedBody<T extends KubeObject>(
  context: Context,
  request: KindRequest,
  objectKind: ObjectKind,
): Promise<T> {
  const object = await readBodyAs<T>(request, objectKind.definition, objectKind.kind);
  const { manage: _, ...target } = writeTargetOf(request);
  const about = { ...target, warnings: request.warnings, name: target.name || (object.metadata?.name ?? '') };
  const admission = { ...about, operation: 'CREATE' as const, objectKind, object, old: undefined };
  const settle = context.admission.admit(admission);
  try {
    await context.admission.mutate(admission);
    await context.admission.validate(admission);
  } finally {
    settle();
  }
  return object;
}
