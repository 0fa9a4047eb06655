import { messageOf } from '../../base/errors.ts';
import type { FieldError } from '../kind.ts';
import { forbidden, invalid, required } from '../kinds/errors.ts';
import { equal, type Json } from '../patch/json.ts';
import { type JsonSchema, valuesOf } from './json-schema.ts';
import { compilePattern } from './pattern.ts';

type Level = 'root' | 'item' | 'field';

/** What an empty type is called where it stands. */
const emptyType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

/** Why a schema is not structural, in Kubernetes' words (apiextensions' ValidateStructural). */
export function checkStructural(schema: JsonSchema, path: string): FieldError[] {
  const errors = [...checkInvariants(schema, 'root', path), ...checkCompleteness(schema, schema, path, path)];
  const text = ({ field, message }: FieldError) => `${field}: ${message}`;
  return errors.sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

function checkInvariants(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.type === 'array' && !schema.items) errors.push(required(`${path}.items`, 'must be specified'));
  if (schema.items) errors.push(...checkInvariants(schema.items, 'item', `${path}.items`));
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    errors.push(...checkInvariants(child, 'field', `${path}.properties[${name}]`));
  }
  if (schema.additionalProperties !== undefined && level === 'root') {
    errors.push(forbidden(`${path}.additionalProperties`, 'must not be used at the root'));
  }
  const values = valuesOf(schema);
  if (values) errors.push(...checkInvariants(values, 'field', `${path}.additionalProperties`));
  return [
    ...errors,
    ...checkExtensions(schema, path),
    ...checkValueRules(schema, path, isIntOrString(schema.anyOf), isIntOrString(schema.allOf?.[0]?.anyOf)),
    ...checkOwnType(schema, level, path),
    ...checkMetadata(schema, level, path),
  ];
}

function checkExtensions(schema: JsonSchema, path: string): FieldError[] {
  if (!schema['x-kubernetes-int-or-string']) return [];
  return (['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const)
    .filter((name) => schema[name])
    .map((name) => invalid(`${path}.${name}`, true, 'must be false if x-kubernetes-int-or-string is true'));
}

function checkOwnType(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const { type = '' } = schema;
  const field = `${path}.type`;
  const embedded = schema['x-kubernetes-embedded-resource'];
  const errors: FieldError[] = [];
  if (embedded && type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true';
    errors.push(type === '' ? required(field, detail) : invalid(field, type, detail));
  } else if (type === '' && !schema['x-kubernetes-int-or-string'] && !schema['x-kubernetes-preserve-unknown-fields']) {
    errors.push(required(field, emptyType[level]));
  }
  if (embedded && schema.additionalProperties !== undefined) {
    const detail = 'must not be used if x-kubernetes-embedded-resource is set';
    errors.push(forbidden(`${path}.additionalProperties`, detail));
  }
  if (level === 'root' && type !== '' && type !== 'object')
    errors.push(invalid(field, type, 'must be object at the root'));
  if (embedded && !schema['x-kubernetes-preserve-unknown-fields'] && !schema.properties) {
    const detail =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    errors.push(required(`${path}.properties`, detail));
  }
  return errors;
}

/** `apiVersion`, `kind` and `metadata` of an object are Kubernetes' own; only names may be restricted. */
function checkMetadata(schema: JsonSchema, level: Level, path: string): FieldError[] {
  if (level !== 'root' && !schema['x-kubernetes-embedded-resource']) return [];
  const { kind, apiVersion, metadata } = schema.properties ?? {};
  const at = (name: string) => `${path}.properties[${name}]`;
  const errors: FieldError[] = [];
  if (kind && kind.type !== 'string') errors.push(invalid(`${at('kind')}.type`, kind.type ?? '', 'must be string'));
  if (apiVersion && apiVersion.type !== 'string') {
    errors.push(invalid(`${at('apiVersion')}.type`, apiVersion.type ?? '', 'must be string'));
  }
  if (!metadata) return errors;
  if (metadata.type !== 'object') errors.push(invalid(`${at('metadata')}.type`, metadata.type ?? '', 'must be object'));
  const { type: _type, default: _default, properties = {}, ...rest } = metadata;
  const restricts = Object.keys(properties).some((name) => name !== 'name' && name !== 'generateName');
  if (level === 'root' && (restricts || Object.keys(rest).length > 0)) {
    const detail = 'must not specify anything other than name and generateName, but metadata is implicitly specified';
    errors.push(forbidden(at('metadata'), detail));
  }
  return errors;
}

/** The one place where alternatives may name types. */
const isIntOrString = (anyOf: readonly JsonSchema[] | undefined): boolean =>
  anyOf !== undefined && equal(anyOf.map(withoutZeros) as Json, [{ type: 'integer' }, { type: 'string' }]);

/** Without what is the same as nothing in Go. */
const withoutZeros = (schema: JsonSchema): object =>
  Object.fromEntries(Object.entries(schema).filter(([, value]) => !isEmpty(value) && value !== false));

const isEmpty = (value: unknown): boolean => value === '' || (Array.isArray(value) && value.length === 0);

function checkValueRules(
  schema: JsonSchema,
  path: string,
  typesInAnyOf: boolean,
  typesInFirstAllOf: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  const nested = (list: readonly JsonSchema[] | undefined, name: string, anyOfOfFirst = false) => {
    for (const [index, each] of (list ?? []).entries()) {
      errors.push(...checkNested(each, `${path}.${name}[${index}]`, anyOfOfFirst && index === 0));
    }
  };
  if (!typesInAnyOf) nested(schema.anyOf, 'anyOf');
  nested(schema.allOf, 'allOf', typesInFirstAllOf);
  nested(schema.oneOf, 'oneOf');
  if (schema.not) errors.push(...checkNested(schema.not, `${path}.not`));
  if (schema.pattern) errors.push(...checkPattern(schema.pattern, `${path}.pattern`));
  return errors;
}

function checkPattern(pattern: string, field: string): FieldError[] {
  try {
    compilePattern(pattern);
    return [];
  } catch (error) {
    return [invalid(field, pattern, `must be a valid regular expression, but isn't: ${messageOf(error)}`)];
  }
}

/** What says what a field is, and so may not stand in alternatives; with how Kubernetes wants it there. */
const structure: readonly (readonly [name: keyof JsonSchema, wanted: string])[] = [
  ['type', 'empty'],
  ['additionalProperties', 'undefined'],
  ['default', 'undefined'],
  ['title', 'empty'],
  ['description', 'empty'],
  ['nullable', 'false'],
  ['x-kubernetes-preserve-unknown-fields', 'false'],
  ['x-kubernetes-embedded-resource', 'false'],
  ['x-kubernetes-int-or-string', 'false'],
  ['x-kubernetes-list-map-keys', 'empty'],
  ['x-kubernetes-list-type', 'undefined'],
  ['x-kubernetes-map-type', 'undefined'],
  ['x-kubernetes-validations', 'empty'],
];

function checkNested(schema: JsonSchema, path: string, typesInAnyOf = false): FieldError[] {
  const errors = checkValueRules(schema, path, typesInAnyOf, false);
  if (schema.items) errors.push(...checkNested(schema.items, `${path}.items`));
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    errors.push(...checkNested(child, `${path}.properties[${name}]`));
  }
  for (const [name, wanted] of structure) {
    const value = schema[name];
    const isSet = wanted === 'undefined' ? value !== undefined : value && !isEmpty(value);
    if (isSet) errors.push(forbidden(`${path}.${name}`, `must be ${wanted} to be structural`));
  }
  if (schema.properties?.metadata) {
    errors.push(forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'));
  }
  return errors;
}

/** Every field that alternatives speak of must be told of outside of them. */
function checkCompleteness(rules: JsonSchema, schema: JsonSchema, path: string, rulesPath: string): FieldError[] {
  const errors: FieldError[] = [];
  if (rules.not) errors.push(...checkFields(rules.not, schema, path, `${rulesPath}.not`));
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, each] of (rules[name] ?? []).entries()) {
      errors.push(...checkFields(each, schema, path, `${rulesPath}.${name}[${index}]`));
    }
  }
  return errors;
}

function checkFields(rules: JsonSchema, schema: JsonSchema, path: string, rulesPath: string): FieldError[] {
  const errors = checkCompleteness(rules, schema, path, rulesPath);
  if (rules.items) {
    const at = `${rulesPath}.items`;
    if (schema.items) errors.push(...checkFields(rules.items, schema.items, `${path}.items`, at));
    else errors.push(required(`${path}.items`, `because it is defined in ${at}`));
  }
  for (const [name, child] of Object.entries(rules.properties ?? {})) {
    const [field, at] = [`${path}.properties[${name}]`, `${rulesPath}.properties[${name}]`];
    const told = schema.properties?.[name];
    if (told) errors.push(...checkFields(child, told, field, at));
    else errors.push(required(field, `because it is defined in ${at}`));
  }
  return errors;
}
