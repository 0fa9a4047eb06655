import type { FieldError } from '../kind.ts';
import { forbidden, invalid, notSupported, required } from '../kinds/errors.ts';
import { fieldAt } from './field-path.ts';
import { type JsonSchema, schemasIn, valuesOf } from './json-schema.ts';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
/** Keywords of JSON schema that CRDs may not use. */
const unsupported = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'] as const;
/** What a schema with a status subresource may have at its root, by the names of Kubernetes' own type. */
const atRoot = (
  'Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern ' +
  'MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example ' +
  'XPreserveUnknownFields XValidations'
).split(' ');
const ownNames: Readonly<Record<string, string>> = {
  'x-kubernetes-preserve-unknown-fields': 'XPreserveUnknownFields',
  'x-kubernetes-validations': 'XValidations',
};
const isAtRoot = (name: string): boolean =>
  atRoot.includes(ownNames[name] ?? name.charAt(0).toUpperCase() + name.slice(1));
const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** Rules for the root of a schema. */
export function checkRoot(schema: JsonSchema, path: string, hasStatus: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (hasStatus) {
    const isWrong = ([name, value]: [string, unknown]) => value !== false && value !== '' && !isAtRoot(name);
    const when = 'at the root of the schema if the status subresource is enabled';
    if (schema.type && schema.type !== 'object') {
      errors.push(invalid(`${path}.type`, schema.type, `only "object" is allowed as the type ${when}`));
    } else if (Object.entries(schema).some(isWrong)) {
      errors.push(invalid(path, schema, `only [${atRoot.join(' ')}] fields are allowed ${when}`));
    }
  }
  if (schema.nullable) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'));
  return errors;
}

/** Why Kubernetes makes nothing of a schema: it uses a keyword that CRDs may not use. */
export function unsupportedIn(schema: JsonSchema): string | undefined {
  for (const each of schemasIn(schema)) {
    const name = [...unsupported, '$schema'].find((keyword) => isSet((each as Record<string, unknown>)[keyword]));
    if (name) return `OpenAPIV3Schema '${name.replace('$schema', 'schema')}' is not supported`;
    if (Array.isArray(each.items)) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
    if (each['x-kubernetes-preserve-unknown-fields'] === false) {
      return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    }
  }
  return undefined;
}

const isSet = (value: unknown): boolean => value !== undefined && value !== '';

/** Where a schema stands among others. */
interface Place {
  readonly isRoot: boolean;
  /** In the `metadata` of an object. */
  readonly isMeta?: boolean;
  /** Why there may be no defaults. */
  readonly noDefaults?: string;
}

/** Which keywords of a schema are used wrongly (apiextensions' ValidateCustomResourceDefinitionOpenAPISchema). */
export function checkKeywords(schema: JsonSchema, path: string, place: Place = { isRoot: true }): FieldError[] {
  const errors = checkOwn(schema, path, place);
  const { properties = {}, items } = schema;
  const values = valuesOf(schema);
  const hasProperties = Object.keys(properties).length > 0;
  if (hasProperties && schema.additionalProperties !== undefined && schema.additionalProperties !== true) {
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
  }
  const below = { ...place, isRoot: false };
  if (values) {
    const noDefaults = place.isMeta ? 'inside additionalProperties applying to object metadata' : place.noDefaults;
    errors.push(...checkKeywords(values, `${path}.additionalProperties`, { ...below, noDefaults }));
  }
  for (const [name, child] of Object.entries(properties)) {
    errors.push(...checkKeywords(child, `${path}.properties[${name}]`, placeOfProperty(schema, name, place)));
  }
  for (const [name, each] of alternativesOf(schema)) errors.push(...checkKeywords(each, `${path}.${name}`, below));
  for (const [name, each] of itemsOf(items)) errors.push(...checkKeywords(each, `${path}.${name}`, below));
  return [...errors, ...checkLists(schema, path), ...checkRules(schema, path)];
}

function placeOfProperty(schema: JsonSchema, name: string, { isRoot, ...place }: Place): Place {
  const isMeta = metaFields.has(name) && (isRoot || schema['x-kubernetes-embedded-resource'] === true);
  if (!isMeta) return { ...place, isRoot: false };
  return { isRoot: false, isMeta, noDefaults: isRoot ? `in top-level ${name}` : place.noDefaults };
}

function* alternativesOf(schema: JsonSchema): Generator<[string, JsonSchema]> {
  if (schema.not) yield ['not', schema.not];
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const) {
    for (const [index, each] of (schema[name] ?? []).entries()) yield [`${name}[${index}]`, each];
  }
}

/** A list of schemas is refused, and looked at all the same. */
const itemsOf = (items: JsonSchema | readonly JsonSchema[] | undefined): [string, JsonSchema][] => {
  if (!items) return [];
  if (!('length' in items)) return [['items', items]];
  return items.map((each, index) => [`items[${index}]`, each]);
};

function checkOwn(schema: JsonSchema, path: string, { isMeta, noDefaults }: Place): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.type && !types.includes(schema.type)) errors.push(notSupported(`${path}.type`, schema.type, types));
  if (schema.type === 'null') {
    errors.push(forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'));
  }
  if (schema.default !== undefined && noDefaults) {
    errors.push(forbidden(`${path}.default`, `must not be set ${noDefaults}`));
  }
  if (isMeta && schema['x-kubernetes-embedded-resource']) {
    errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'));
  }
  for (const name of unsupported) {
    const value = (schema as Record<string, unknown>)[name];
    if (isSet(value)) errors.push(forbidden(`${path}.${name}`, `${name} is not supported`));
  }
  if (Array.isArray(schema.items)) {
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  }
  if (schema.uniqueItems) {
    const detail = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(`${path}.uniqueItems`, detail));
  }
  const keeps = schema['x-kubernetes-preserve-unknown-fields'];
  if (keeps === false) {
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  }
  return errors;
}

function checkLists(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const mapType = schema['x-kubernetes-map-type'];
  const listType = schema['x-kubernetes-list-type'];
  if (mapType !== undefined) errors.push(...wantsType(schema, path, 'object', 'x-kubernetes-map-type'));
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular') {
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
  }
  if (listType !== undefined) errors.push(...wantsType(schema, path, 'array', 'x-kubernetes-list-type'));
  if (listType === 'set' && schema.type === 'array') errors.push(...checkSetItems(schema.items, path));
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType)) {
    errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']));
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (keys.length > 0 && listType !== 'map') {
    const detail = 'must be map if x-kubernetes-list-map-keys is non-empty';
    const field = `${path}.x-kubernetes-list-type`;
    errors.push(listType === undefined ? required(field, detail) : invalid(field, listType, detail));
  }
  if (listType === 'map') errors.push(...checkMapItems(schema, keys, path));
  if ((listType === 'set' || listType === 'map') && schema.items?.nullable) {
    const detail = `cannot be nullable when x-kubernetes-list-type is ${listType}`;
    errors.push(forbidden(`${path}.items.nullable`, detail));
  }
  return errors;
}

function wantsType({ type = '' }: JsonSchema, path: string, wanted: string, because: string): FieldError[] {
  if (type === wanted) return [];
  const detail = `must be ${wanted} if ${because} is specified`;
  return [type === '' ? required(`${path}.type`, detail) : invalid(`${path}.type`, type, detail)];
}

function checkSetItems(items: JsonSchema | undefined, path: string): FieldError[] {
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const listType = items?.['x-kubernetes-list-type'];
  if (items?.type === 'array' && listType !== undefined && listType !== 'atomic') {
    return [invalid(`${path}.items.x-kubernetes-list-type`, listType, detail)];
  }
  if (items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic') {
    // Kubernetes shows the type of the list here.
    return [invalid(`${path}.items.x-kubernetes-map-type`, listType ?? null, detail)];
  }
  return [];
}

function checkMapItems({ items }: JsonSchema, keys: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const field = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) errors.push(required(field, 'must not be empty if x-kubernetes-list-type is map'));
  if (!items) return [...errors, required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map')];
  if (items.type !== 'object') {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    return [...errors, invalid(`${path}.items.type`, items.type ?? '', detail)];
  }
  for (const [index, key] of keys.entries()) {
    const property = items.properties?.[key];
    const at = `${path}.items.properties[${key}]`;
    if (keys.indexOf(key) < index) errors.push(invalid(field, keys, 'must not contain duplicate entries'));
    if (!property) {
      errors.push(invalid(field, keys, 'entries must all be names of item properties'));
      continue;
    }
    if (property.type === 'array' || property.type === 'object') {
      const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalid(`${at}.type`, items.type, detail));
    }
    const isKey = 'this property is in x-kubernetes-list-map-keys, so it';
    if (!items.required?.includes(key) && property.default === undefined) {
      errors.push(required(`${at}.default`, `${isKey} must have a default or be a required property`));
    }
    if (property.nullable) errors.push(forbidden(`${at}.nullable`, `${isKey} cannot be nullable`));
  }
  return errors;
}

const hasLineBreaks = (text: string) => /[\n\r]/.test(text);

/** What can be said of CEL rules without compiling them. */
function checkRules(schema: JsonSchema, path: string): FieldError[] {
  const rules = schema['x-kubernetes-validations'] ?? [];
  return rules.flatMap(({ rule, message = '', messageExpression = '', reason, fieldPath = '' }, index) => {
    const at = `${path}.x-kubernetes-validations[${index}]`;
    const errors: FieldError[] = [];
    if (rule.trim() === '') errors.push(required(`${at}.rule`, 'rule is not specified'));
    else if (message !== '' && message.trim() === '') {
      errors.push(invalid(`${at}.message`, message, 'must be non-empty if specified'));
    } else if (hasLineBreaks(message.trim())) {
      errors.push(invalid(`${at}.message`, message, 'must not contain line breaks'));
    } else if (hasLineBreaks(rule.trim()) && message.trim() === '') {
      errors.push(required(`${at}.message`, 'message must be specified if rule contains line breaks'));
    }
    if (messageExpression !== '' && messageExpression.trim() === '') {
      errors.push(required(`${at}.messageExpression`, 'messageExpression must be non-empty if specified'));
    }
    if (reason !== undefined && !reasons.includes(reason)) errors.push(notSupported(`${at}.reason`, reason, reasons));
    if (fieldPath !== '' && fieldPath.trim() === '') {
      errors.push(invalid(`${at}.fieldPath`, fieldPath, 'must be non-empty if specified'));
    }
    if (hasLineBreaks(fieldPath)) errors.push(invalid(`${at}.fieldPath`, fieldPath, 'must not contain line breaks'));
    if (fieldPath !== '' && !unsupportedIn(schema) && 'error' in fieldAt(fieldPath, schema)) {
      errors.push(invalid(`${at}.fieldPath`, fieldPath, 'must be a valid path'));
    }
    return errors;
  });
}
