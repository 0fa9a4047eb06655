import type { Kind } from '../../api/kind.ts';
import { apiVersion } from '../../api/resource.ts';
import {
  type CheckOptions,
  type CheckResult,
  cannotBeHandled,
  check,
  strictMessages,
  strictReason,
} from '../../api/schema/check.ts';
import { loadSchema } from '../../api/schema/load.ts';
import type { KubeObject } from '../../api/types.ts';
import { badRequest } from '../errors.ts';
import type { KindRequest } from '../request.ts';

type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** A body's object as the kind's type allows it: unknown fields are refused, warned of or dropped. */
export function checkObject(request: KindRequest, object: KubeObject, kind: Kind = request.kind): KubeObject {
  assertKind(kind, object);
  const { schema } = kind;
  const checked = schema
    ? checkWith((options) => schema.check(object, options), request, object, kind.kind, kind.version)
    : checkDefinition(request, object, kind.definition, kind.kind, kind.version);
  request.warnings.push(...(kind.warnings?.(checked) ?? []));
  return checked;
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
  const messages = strictMessages(unknown, []);
  if (messages.length > 0 && mode === 'Strict') {
    throw badRequest(cannotBeHandled(kind, version, strictReason(messages)));
  }
  if (mode === 'Warn') request.warnings.push(...messages);
  return object;
}

function fieldValidationOf(query: URLSearchParams): FieldValidation {
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
