import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { type Client, isConflict } from '../client/client.ts';

/**
 * Writes a status where it says something new. Resolves to the object as it is then. A copy that is behind, which is
 * no news while many pods change at once, is fetched anew: nobody else writes this status.
 */
export async function writeStatus<T extends KubeObject & { status?: object }>(
  client: Client,
  resource: Resource<T>,
  object: T,
  status: NonNullable<T['status']>,
): Promise<T> {
  if (sameStatus(object.status, status)) return object;
  try {
    return await client.updateStatus(resource, { ...object, status });
  } catch (error) {
    if (!isConflict(error)) throw error;
    const { name = '', namespace, uid } = object.metadata ?? {};
    const present = await client.get(resource, { name, namespace });
    if (present.metadata?.uid !== uid) throw error;
    return await client.updateStatus(resource, { ...present, status });
  }
}

/** A status without these fields where they are 0: Kubernetes' own types do not write them then. */
export function withoutZeros<S extends object>(status: S, ...fields: readonly (keyof S)[]): S {
  return Object.fromEntries(
    Object.entries(status).filter(([field, value]) => value !== 0 || !fields.includes(field as keyof S)),
  ) as S;
}

/** Zero and absent mean the same. */
function sameStatus(a: object | undefined, b: object | undefined): boolean {
  return isDeepStrictEqual(said(a), said(b));
}

function said(status: object | undefined): Record<string, unknown> {
  const entries: [string, unknown][] = Object.entries(JSON.parse(JSON.stringify(status ?? {})));
  return Object.fromEntries(entries.filter(([, value]) => value !== 0));
}
