import { endpointSlices } from '../../api/resource.ts';
import type { EndpointSlice } from '../../api/types.ts';
import { type Client, isNotFound } from '../../client/client.ts';
import type { Expectations } from '../expectations.ts';
import type { SliceChanges } from './slices.ts';

/** Writes what is to become of one key's slices, side by side; throws the first failure when nothing is under way. */
export async function writeSlices(
  client: Client,
  expectations: Expectations,
  key: string,
  { create, update, remove }: SliceChanges,
): Promise<void> {
  const gone = remove.map((slice) => slice.metadata?.uid ?? '');
  expectations.expect(key, create.length, gone);
  const results = await Promise.allSettled([
    ...create.map((slice) => createSlice(client, expectations, key, slice)),
    ...update.map((slice) => client.update(endpointSlices, slice)),
    ...remove.map((slice) => removeSlice(client, expectations, key, slice)),
  ]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function createSlice(client: Client, expectations: Expectations, key: string, slice: EndpointSlice) {
  try {
    await client.create(endpointSlices, slice);
  } catch (error) {
    expectations.created(key);
    throw error;
  }
}

async function removeSlice(client: Client, expectations: Expectations, key: string, slice: EndpointSlice) {
  const { name = '', namespace, uid = '' } = slice.metadata ?? {};
  try {
    await client.delete(endpointSlices, { name, namespace }, { preconditions: { uid } });
  } catch (error) {
    expectations.deleted(key, uid);
    if (!isNotFound(error)) throw error;
  }
}
