import { clone, get, isObject, type Json, type JsonObject, PatchError, set } from './json.ts';

/**
 * JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces. As with Kubernetes, maps within a
 * new list lose their nulls too.
 *
 * @throws PatchError `PATCH_MALFORMED` for a patch that is neither a map nor a list
 */
export function applyMergePatch(document: unknown, patch: unknown): Json {
  if (typeof patch !== 'object' || patch === null) throw new PatchError('PATCH_MALFORMED', 'Invalid JSON Patch');
  return merge(document as Json, patch as Json);
}

function merge(document: Json, patch: Json): Json {
  if (Array.isArray(patch)) return isObject(document) ? clone(patch) : patch.map(withoutNulls);
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(document) ? clone(document) : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key]!;
    if (value === null) delete result[key];
    else set(result, key, merge(get(result, key) ?? null, value));
  }
  return result;
}

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  return isObject(value) ? merge(null, value) : value;
}
