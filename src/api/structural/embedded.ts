import type { FieldError } from '../kind.ts';
import { invalid, required } from '../kinds/errors.ts';
import { validateMetadata } from '../kinds/metadata.ts';
import { dnsLabel1035, pathSegment } from '../kinds/names.ts';
import { checkType } from '../schema/check.ts';
import { loadSchema } from '../schema/load.ts';
import type { Type } from '../schema/schema.ts';
import type { KubeObject } from '../types.ts';
import { childOf, isObject, type JsonObject, type JsonSchema } from './json-schema.ts';

/** The type of the metadata of all objects. */
export function metadataType(): Type {
  const definition = loadSchema().definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');
  return definition ? { kind: 'struct', definition } : { kind: 'scalar', scalar: 'any' };
}

/** Objects in objects (`x-kubernetes-embedded-resource`) have a type and well-formed metadata. */
export function checkEmbedded(schema: JsonSchema | undefined, value: unknown, metadata: Type, path = ''): FieldError[] {
  if (!schema) return [];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => checkEmbedded(schema.items, item, metadata, `${path}[${index}]`));
  }
  if (!isObject(value)) return [];
  const own = schema['x-kubernetes-embedded-resource'] ? checkResource(value, metadata, path) : [];
  const below = Object.entries(value).flatMap(([name, field]) => {
    const at = schema.properties?.[name] ? (path === '' ? name : `${path}.${name}`) : `${path}[${name}]`;
    return checkEmbedded(childOf(schema, name), field, metadata, at);
  });
  return [...own, ...below];
}

function checkResource(object: JsonObject, type: Type, path: string): FieldError[] {
  const { apiVersion, kind, metadata } = object;
  const errors = [...checkName(apiVersion, `${path}.apiVersion`), ...checkName(kind, `${path}.kind`)];
  if (typeof apiVersion === 'string' && apiVersion.split('/').length > 2) {
    errors.push(invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  }
  if (typeof kind === 'string' && kind !== '') {
    const wrong = dnsLabel1035(kind.toLowerCase());
    if (wrong) errors.push(invalid(`${path}.kind`, kind, `may have mixed case, but should otherwise match: ${wrong}`));
  }
  if (metadata === undefined || metadata === null) return errors;
  const [malformed] = checkType(type, metadata).errors;
  if (malformed) return [...errors, invalid(`${path}.metadata`, metadata, malformed)];
  const found = metadata as NonNullable<KubeObject['metadata']>;
  const rules = { namespaced: Boolean(found.namespace), nameRule: pathSegment, anyFinalizer: true };
  const named = { metadata: { ...found, name: found.name || 'unnamed' } };
  const wrong = validateMetadata(named, undefined, rules);
  return [...errors, ...wrong.map((error) => ({ ...error, field: `${path}.${error.field}` }))];
}

function checkName(value: unknown, field: string): FieldError[] {
  if (value === undefined) return [required(field)];
  if (typeof value !== 'string') return [invalid(field, value, 'must be a string')];
  return value === '' ? [invalid(field, value, 'must not be empty')] : [];
}
