import type { KubeObject } from '../../api/types.ts';
import { decodeBody } from '../codec.ts';
import { checkDefinition } from '../registry/decode.ts';
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
