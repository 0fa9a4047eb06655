import type { Kind } from '../../../api/kind.ts';
import { check } from '../../../api/schema/check.ts';
import { loadSchema } from '../../../api/schema/load.ts';
import type { KubeObject } from '../../../api/types.ts';
import type { AdmissionRequest } from '../chain.ts';
import { inVersion } from './review.ts';

/**
 * Changes the object of a request in place, as whom it is shown to as `shown` wants it; afterwards it is again what its
 * schema makes of it. `change` is given a copy. Resolves to whether the object is another one.
 *
 * @throws Error where the result is none of its kind
 */
export async function changeObject(
  { kind, object, objectKind }: AdmissionRequest,
  shown: Kind,
  change: (given: KubeObject) => KubeObject,
): Promise<boolean> {
  if (!object) return false;
  const before = JSON.stringify(object);
  const given = objectKind ? object : await inVersion(kind, shown, object);
  const changed = change(JSON.parse(JSON.stringify(given)) as KubeObject);
  const next = objectKind ? changed : ((await inVersion(shown, kind, changed)) ?? changed);
  const { definition } = objectKind ?? kind;
  const { errors } = kind.schema && !objectKind ? kind.schema.check(next, {}) : check(loadSchema(), definition, next);
  if (errors.length > 0) throw new Error(errors.join(', '));
  if (!objectKind) kind.setDefaults?.(next);
  for (const key of Object.keys(object)) delete (object as Record<string, unknown>)[key];
  Object.assign(object, next);
  return JSON.stringify(object) !== before;
}
