import type { Namespace } from '../../api/types.ts';
import type { Answer } from '../answer.ts';
import type { Context } from '../context.ts';
import { objectAnswer, writeTargetOf } from '../registry/handlers.ts';
import { updateObject } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { readBodyAs } from './bodies.ts';

/** PUT namespaces/NAME/finalize: the only write of `spec.finalizers`, by whoever has emptied the namespace. */
export async function finalizeNamespace(context: Context, request: KindRequest): Promise<Answer> {
  const given = await readBodyAs<Namespace>(request, request.kind.definition, request.kind.kind);
  const resourceVersion = given.metadata?.resourceVersion;
  const change = (current: Namespace): Namespace => ({
    ...current,
    metadata: { ...current.metadata, resourceVersion },
    spec: { ...current.spec, finalizers: given.spec?.finalizers },
  });
  const written = await updateObject(context, writeTargetOf(request), change, { retry: !resourceVersion });
  return objectAnswer(request, written, 200);
}
