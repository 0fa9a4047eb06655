import { type JsonSchema, valuesOf } from '../structural/json-schema.ts';
import { identifiersOf, resourceProperties } from './values.ts';

/** Bytes of the largest request, of which the largest values can be made. */
const REQUEST = 3 * 2 ** 20;
/** Bytes that the quotes of a text and the brackets of a list take. */
const MARKS = 2;
/** The longest times and durations, in JSON. */
const LONGEST_TIME = 32;

/** How large the values of a schema may get. */
export interface SizedType {
  /** Characters of texts, in bytes; items; entries. 0 for what has none of them. */
  readonly most: number;
  /** Bytes that a value takes in JSON, at the least. */
  readonly leastBytes: number;
  /** Of a list's items or a map's values. */
  readonly values?: SizedType;
  readonly keys?: SizedType;
  /** By their identifiers in CEL. */
  readonly fields?: ReadonlyMap<string, SizedType>;
}

/** `undefined` where rules cannot see the values. `isResource`: as {@link CelTypes.of} has it. */
export function sizedType(
  schema: JsonSchema,
  isResource = schema['x-kubernetes-embedded-resource'] === true,
): SizedType | undefined {
  if (schema['x-kubernetes-int-or-string']) return { most: longestText(schema), leastBytes: 1 };
  switch (schema.type) {
    case 'array': {
      const values = schema.items && sizedType(schema.items);
      return values && { most: mostItems(schema, values), leastBytes: MARKS, values };
    }
    case 'object':
      return valuesOf(schema) ? sizedMap(schema) : sizedObject(schema, isResource);
    case 'string':
      return sizedText(schema);
    case 'boolean':
      return { most: 0, leastBytes: 'true'.length };
    case 'number':
    case 'integer':
      return { most: 0, leastBytes: 1 };
    default:
      return undefined;
  }
}

/**
 * How many values of a type there can be in one object, where the lists and maps that they stand in allow `cardinality`
 * of them; `undefined` where these have no limits.
 */
export function mostValues(type: SizedType, cardinality: number | undefined): number {
  return cardinality ?? Math.floor(REQUEST / (type.leastBytes + 1));
}

/** How many values each value of a schema may hold; `undefined` where there is no limit. */
export function mostChildren(schema: JsonSchema): number | undefined {
  if (schema.type === 'array') return schema.maxItems;
  return schema.type === 'object' && schema.additionalProperties !== undefined ? schema.maxProperties : 1;
}

function mostItems({ maxItems }: JsonSchema, { leastBytes }: SizedType): number {
  return maxItems ?? Math.floor((REQUEST - MARKS) / (leastBytes + 1));
}

function sizedMap(schema: JsonSchema): SizedType | undefined {
  const of = valuesOf(schema);
  const values = of && sizedType(of);
  if (!values) return undefined;
  // `"":` and a comma
  const entry = values.leastBytes + 6;
  const most = schema.maxProperties ?? Math.floor((REQUEST - MARKS) / entry);
  return { most, leastBytes: MARKS, keys: { most: 0, leastBytes: MARKS }, values };
}

function sizedObject(schema: JsonSchema, isResource: boolean): SizedType {
  const properties = { ...schema.properties, ...(isResource ? resourceProperties(schema) : {}) };
  const fields = new Map<string, SizedType>();
  let leastBytes = MARKS;
  for (const [name, child] of Object.entries(properties)) {
    const type = sizedType(child);
    if (!type) continue;
    for (const identifier of identifiersOf(name)) fields.set(identifier, type);
    // What has a default need not be sent.
    if (schema.required?.includes(name) && child.default === undefined) leastBytes += name.length + type.leastBytes + 4;
  }
  return { most: 0, leastBytes, fields };
}

function sizedText(schema: JsonSchema): SizedType {
  switch (schema.format) {
    case 'byte':
      return { most: schema.maxLength ?? REQUEST - MARKS, leastBytes: MARKS };
    case 'duration':
      return { most: LONGEST_TIME, leastBytes: '"0"'.length };
    case 'date':
      return { most: '"2006-01-02"'.length, leastBytes: '"2006-01-02"'.length };
    case 'date-time':
      return { most: LONGEST_TIME, leastBytes: '"2006-01-02T15:04:05"'.length };
    default:
      return { most: longestText(schema), leastBytes: MARKS };
  }
}

function longestText({ maxLength, enum: allowed = [], ...schema }: JsonSchema): number {
  // A character has four bytes at the most.
  if (maxLength !== undefined) return maxLength * 4;
  if (schema['x-kubernetes-int-or-string'] || allowed.length === 0) return REQUEST - MARKS;
  return Math.max(...allowed.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0)));
}
