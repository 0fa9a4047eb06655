import type { KubeObject } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Answer } from './answer.ts';
import { badRequest, unsupportedMediaType } from './errors.ts';
import { mediaType } from './negotiation.ts';

/** Media types of an object in a request's body. */
const objectTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

export type Body = string | Uint8Array | undefined;

export function textOf(body: Body): string {
  if (body === undefined || typeof body === 'string') return body ?? '';
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

async function decodeBinary(body: Body): Promise<KubeObject> {
  const { decodeProtobuf } = await import('../api/protobuf/decode.ts');
  try {
    return decodeProtobuf(typeof body === 'string' ? Buffer.from(body, 'latin1') : (body ?? new Uint8Array()));
  } catch (error) {
    throw badRequest(
      `the object provided is unrecognized (must be of type application/vnd.kubernetes.protobuf): ${messageOf(error)}`,
    );
  }
}

/** Reads the object of a request's body. */
export async function decodeBody(body: Body, contentType: string | undefined): Promise<KubeObject> {
  const type = mediaType(contentType);
  if (type === 'application/vnd.kubernetes.protobuf') return decodeBinary(body);
  if (type === 'application/yaml' || type === 'text/yaml' || type === 'application/x-yaml') {
    return asObject(await decodeYaml(textOf(body)));
  }
  if (type !== '' && type !== 'application/json') throw unsupportedMediaType(objectTypes);
  return asObject(decodeJson(textOf(body)));
}

export function decodeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type application/json): ${messageOf(error)}`);
  }
}

export async function decodeYaml(text: string): Promise<unknown> {
  const { parse } = await import('yaml');
  try {
    return parse(text);
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${messageOf(error)}`);
  }
}

export function asObject(value: unknown): KubeObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badRequest('the body of the request holds no object');
}

/** The same answer as YAML, for clients that ask for it: the one place where a read is parsed. */
export async function toYaml(answer: Answer): Promise<Answer> {
  if (typeof answer.body === 'function') return answer;
  const { stringify } = await import('yaml');
  const value: unknown = JSON.parse(Buffer.concat(answer.body).toString('utf8'));
  const headers = { ...answer.headers, 'content-type': 'application/yaml' };
  return { ...answer, headers, body: [Buffer.from(stringify(value))] };
}
