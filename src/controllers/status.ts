import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import type { Client } from '../client/client.ts';

/** Writes a status where it says something new. Resolves to the object as it is then. */
export async function writeStatus<T extends KubeObject & { status?: object }>(
  client: Client,
  resource: Resource<T>,
  object: T,
  status: NonNullable<T['status']>,
): Promise<T> {
  return sameStatus(object.status, status) ? object : await client.updateStatus(resource, { ...object, status });
}

/** Zero and absent mean the same: the API server leaves zeros out. */
function sameStatus(a: object | undefined, b: object | undefined): boolean {
  return isDeepStrictEqual(said(a), said(b));
}

function said(status: object | undefined): Record<string, unknown> {
  const entries: [string, unknown][] = Object.entries(JSON.parse(JSON.stringify(status ?? {})));
  return Object.fromEntries(entries.filter(([, value]) => value !== 0));
}
