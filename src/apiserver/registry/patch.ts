import type { Kind } from '../../api/kind.ts';
import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  type Json,
  PatchError,
} from '../../api/patch/index.ts';
import { loadSchema } from '../../api/schema/load.ts';
import type { KubeObject } from '../../api/types.ts';
import { type Body, decodeJson, textOf } from '../codec.ts';
import { badRequest, StatusError, unsupportedMediaType } from '../errors.ts';
import { mediaType } from '../negotiation.ts';

const STRATEGIC = 'application/strategic-merge-patch+json';
const MERGE = 'application/merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
export const APPLY = 'application/apply-patch+yaml';

/** Makes the next object of the present one. Its argument is left as it is. */
export type Patch = (current: KubeObject) => KubeObject;

/** Reads a patch of any of Kubernetes' types but apply, which is more than a patch. */
export function parsePatch(kind: Kind, body: Body, contentType: string | undefined): Patch {
  const type = mediaType(contentType);
  const offered = kind.schema ? [JSON_PATCH, MERGE, APPLY] : [JSON_PATCH, MERGE, STRATEGIC, APPLY];
  const apply = offered.includes(type) ? appliers[type] : undefined;
  if (!apply) throw unsupportedMediaType(offered);
  const patch = decodeJson(textOf(body)) as Json;
  return (current) => {
    const next = explained(kind, current, () => apply(current as Json, patch, kind));
    if (typeof next === 'object' && next !== null && !Array.isArray(next)) return next as KubeObject;
    throw badRequest('the patch leaves no object');
  };
}

const appliers: Readonly<Record<string, (current: Json, patch: Json, kind: Kind) => Json>> = {
  [JSON_PATCH]: (current, patch) => applyJsonPatch(current, patch),
  [MERGE]: (current, patch) => applyMergePatch(current, patch),
  [STRATEGIC]: (current, patch, kind) => applyStrategicMergePatch(current, patch, loadSchema(), kind.definition),
};

function explained<T>(kind: Kind, current: KubeObject, apply: () => T): T {
  try {
    return apply();
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.code === 'PATCH_MALFORMED') throw badRequest(error.message);
    if (error.code === 'PATCH_UNSUPPORTED') throw unsupportedMediaType([JSON_PATCH, MERGE]);
    const name = current.metadata?.name ?? '';
    throw new StatusError(422, 'Invalid', error.message, { name, group: kind.group || undefined, kind: kind.kind });
  }
}
