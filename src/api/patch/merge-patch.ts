import { clone, get, isObject, type Json, type JsonObject, set } from './json.ts';

/** JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces. */
export function applyMergePatch(document: unknown, patch: unknown): Json {
  return merge(document as Json, patch as Json);
}

function merge(document: Json, patch: Json): Json {
  if (!isObject(patch)) return clone(patch);
  const result: JsonObject = isObject(document) ? clone(document) : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key]!;
    if (value === null) delete result[key];
    else set(result, key, merge(get(result, key) ?? null, value));
  }
  return result;
}
