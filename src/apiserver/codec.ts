import type { KubeObject } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Answer } from './answer.ts';
import { badRequest, unsupportedMediaType } from './errors.ts';
import { type Format, mediaType, PROTOBUF } from './negotiation.ts';

/** Media types of an object in a request's body. */
const objectTypes = ['application/json', 'application/yaml', PROTOBUF];

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
    throw badRequest(`the object provided is unrecognized (must be of type ${PROTOBUF}): ${messageOf(error)}`);
  }
}

export const isYaml = (type: string): boolean => /^(application\/(x-)?|text\/)yaml$/.test(type);

/** Reads the object of a request's body; that of JSON at once. */
export function decodeBody(body: Body, contentType: string | undefined): Promise<KubeObject> | KubeObject {
  const type = mediaType(contentType);
  if (type === PROTOBUF) return decodeBinary(body);
  if (isYaml(type)) return decodeYaml(textOf(body)).then(asObject);
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

/** Of a key that stands twice the last one counts ({@link duplicateKeys} tells of it). */
export async function decodeYaml(text: string): Promise<unknown> {
  const { parse } = await import('yaml');
  try {
    return parse(text, { uniqueKeys: false });
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${messageOf(error)}`);
  }
}

/** Why a YAML text is not for a strict reader, in the words of Go's; `undefined` where no key stands twice in a map. */
export async function duplicateKeys(text: string): Promise<string | undefined> {
  const { parseDocument } = await import('yaml');
  const found = parseDocument(text).errors.flatMap(({ code, pos, linePos }) =>
    code === 'DUPLICATE_KEY' ? [{ line: linePos?.[0].line, key: /^[^\s:]+/.exec(text.slice(pos[0]))?.[0] ?? '' }] : [],
  );
  if (found.length === 0) return undefined;
  const lines = found.map(({ line, key }) => `\n  line ${line}: key ${JSON.stringify(key)} already set in map`);
  return `yaml: unmarshal errors:${lines.join('')}`;
}

export function asObject(value: unknown): KubeObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badRequest('the body of the request holds no object');
}

/** The same answer in another format than JSON, where it has one: the one place where a read is parsed. */
export async function inFormat(answer: Answer, format: Format): Promise<Answer> {
  const { body, headers } = answer;
  if (format === 'json' || typeof body === 'function' || headers['content-type'] !== 'application/json') return answer;
  const value = JSON.parse(Buffer.concat(body).toString('utf8')) as KubeObject;
  if (format === 'yaml') {
    const { stringify } = await import('yaml');
    return {
      ...answer,
      headers: { ...headers, 'content-type': 'application/yaml' },
      body: [Buffer.from(stringify(value))],
    };
  }
  const { encodeProtobuf } = await import('../api/protobuf/encode.ts');
  const bytes = encodeProtobuf(value);
  return bytes ? { ...answer, headers: { ...headers, 'content-type': PROTOBUF }, body: [bytes] } : answer;
}
