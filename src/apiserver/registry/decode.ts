import type { Kind } from '../../api/kind.ts';
import { misnamedItems } from '../../api/managed-fields/index.ts';
import { apiVersion } from '../../api/resource.ts';
import {
  type CheckOptions,
  type CheckResult,
  cannotBeHandled,
  check,
  strictMessages,
  strictReason,
} from '../../api/schema/check.ts';
import { duplicateFields } from '../../api/schema/duplicates.ts';
import { loadSchema } from '../../api/schema/load.ts';
import type { KubeObject } from '../../api/types.ts';
import { decodeBody, duplicateKeys, isYaml, textOf } from '../codec.ts';
import { badRequest, StatusError } from '../errors.ts';
import { mediaType } from '../negotiation.ts';
import type { KindRequest } from '../request.ts';
import { placeOfKind } from './managers.ts';

type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** A body's object as the kind's type allows it: unknown fields are refused, warned of or dropped. */
export function checkObject(request: KindRequest, object: KubeObject, kind: Kind = request.kind): KubeObject {
  assertKind(kind, object);
  const { schema } = kind;
  const checked = schema
    ? checkWith((options) => schema.check(object, options), request, object, kind.kind, kind.version)
    : checkDefinition(request, object, kind.definition, kind.kind, kind.version);
  // With a status nobody is warned of the rest.
  if (request.info.resource?.subresource !== 'status') request.warnings.push(...(kind.warnings?.(checked) ?? []));
  return checked;
}

/** The object of a request's body, checked; that of JSON at once. */
export function readChecked(request: KindRequest): Promise<KubeObject> | KubeObject {
  const object = decodeBody(request.request.body, request.request.headers['content-type']);
  return object instanceof Promise ? checkLater(request, object) : checkObject(request, object);
}

async function checkLater(request: KindRequest, pending: Promise<KubeObject>): Promise<KubeObject> {
  const object = await pending;
  const type = mediaType(request.request.headers['content-type']);
  if (isYaml(type)) await refuseDuplicates(request, 'strict decoding error: ');
  return checkObject(request, object);
}

/** Refuses a body in YAML whose maps have a key twice, or warns of it, as the request wants it. */
export async function refuseDuplicates({ request, info, warnings }: KindRequest, prefix: string): Promise<void> {
  const mode = fieldValidationOf(info.query);
  const wrong = mode === 'Ignore' ? undefined : await duplicateKeys(textOf(request.body));
  if (wrong && mode === 'Strict') throw badRequest(`${prefix}${wrong}`);
  if (wrong) warnings.push(wrong);
}

/** The same for what is no kind of its own (`DeleteOptions`, `Scale`, `Binding`). */
export function checkDefinition(
  request: KindRequest,
  object: KubeObject,
  definition: string,
  kind: string,
  version: string,
): KubeObject {
  const schema = loadSchema();
  if (!schema.definition(definition)) return object;
  return checkWith((options) => check(schema, definition, object, options), request, object, kind, version);
}

function checkWith(
  checkBody: (options: CheckOptions) => CheckResult,
  request: KindRequest,
  object: KubeObject,
  kind: string,
  version: string,
): KubeObject {
  const mode = fieldValidationOf(request.info.query);
  const { unknown, errors } = checkBody({ onUnknown: mode === 'Ignore' ? 'prune' : 'report' });
  if (errors.length > 0) throw badRequest(cannotBeHandled(kind, version, errors.join(', ')));
  const messages = strictMessages(unknown, mode === 'Ignore' ? [] : duplicatesIn(request));
  if (messages.length > 0 && mode === 'Strict') {
    throw badRequest(cannotBeHandled(kind, version, strictReason(messages)));
  }
  if (mode === 'Warn') request.warnings.push(...messages);
  return object;
}

const isJsonObject = /^application\/((strategic-)?merge-patch\+)?json$/;

/** Fields that the body, where it is JSON, names twice; of YAML the parser itself refuses them. */
function duplicatesIn({ request: { body, headers } }: KindRequest): string[] {
  const type = mediaType(headers['content-type']);
  return type === '' || isJsonObject.test(type) ? duplicateFields(textOf(body)) : [];
}

/**
 * A configuration to apply as the kind's type allows it: what it says of unknown fields, or of an item of a list that it
 * names twice, can be nobody's, so that is refused whatever was asked about it. Its nulls are left: they are owned.
 */
export function checkConfiguration(request: KindRequest, config: KubeObject): KubeObject {
  const { kind } = request;
  assertKind(kind, config);
  const unknown = decode(kind, holdsNull(config) ? structuredClone(config) : config, 'report');
  const undeclared = unknown.map((path) => `.${path}: field not declared in schema`);
  const wrong = [...undeclared, ...misnamedItems(placeOfKind(kind), config)];
  if (wrong.length > 0) {
    const { namespace, name } = request.target;
    const object = `${namespace}/${name}; ${kind.group}/${kind.version}, Kind=${kind.kind}`;
    const reason = wrong.length === 1 ? wrong[0] : ['errors:', ...wrong].join('\n  ');
    throw new StatusError(500, '', `failed to create typed patch object (${object}): ${reason}`);
  }
  request.warnings.push(...(kind.warnings?.(config) ?? []));
  return config;
}

/** Makes of an applied object what Go's types keep of it: no null is left. */
export function decodeApplied(kind: Kind, object: KubeObject): KubeObject {
  if (!holdsNull(object)) return object;
  const decoded = structuredClone(object);
  decode(kind, decoded, 'prune');
  return decoded;
}

/** Decodes an object in place; gives the paths of unknown fields. */
function decode(kind: Kind, object: KubeObject, onUnknown: 'report' | 'prune'): readonly string[] {
  const { unknown, errors } = kind.schema
    ? kind.schema.check(object, { onUnknown })
    : check(loadSchema(), kind.definition, object, { onUnknown });
  if (errors.length > 0) throw badRequest(cannotBeHandled(kind.kind, kind.version, errors.join(', ')));
  return unknown;
}

function holdsNull(value: unknown): boolean {
  if (value === null) return true;
  return typeof value === 'object' && Object.values(value).some(holdsNull);
}

export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation') ?? 'Warn';
  if (text === 'Strict' || text === 'Warn' || text === 'Ignore') return text;
  throw badRequest(`fieldValidation: Unsupported value: "${text}": supported values: "Ignore", "Strict", "Warn"`);
}

function assertKind(kind: Kind, object: KubeObject): void {
  const wanted = apiVersion(kind);
  if (object.apiVersion !== undefined && object.apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${wanted})`,
    );
  }
  if (object.kind !== undefined && object.kind !== kind.kind) {
    throw badRequest(`the kind in the data (${object.kind}) does not match the expected kind (${kind.kind})`);
  }
  object.apiVersion = wanted;
  object.kind = kind.kind;
}
