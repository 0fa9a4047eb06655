import { type Environment, parse } from '@marcbachmann/cel-js';
import { durationOf } from '../structural/formats.ts';
import { isObject, type JsonObject, type JsonSchema, valuesOf } from '../structural/json-schema.ts';
import { celEquals } from './equality.ts';

/** What a schema is in CEL, and how its values are made. */
export interface CelType {
  /** `int`, `list<Object3>` … */
  readonly name: string;
  fromJson(value: unknown): unknown;
}

const keep = (value: unknown): unknown => value;
const dyn: CelType = { name: 'dyn', fromJson: fromAnything };

/** Types of schemas, registered in one environment. */
export class CelTypes {
  readonly #env: Environment;
  readonly #known = new Map<JsonSchema, CelType | undefined>();
  #count = 0;

  constructor(env: Environment) {
    this.#env = env;
  }

  /**
   * The type of a schema; `undefined` where rules cannot see its values. `isResource`: it has `apiVersion`, `kind` and
   * `metadata`.
   */
  of(schema: JsonSchema, isResource = schema['x-kubernetes-embedded-resource'] === true): CelType | undefined {
    if (!this.#known.has(schema)) this.#known.set(schema, this.#make(schema, isResource));
    return this.#known.get(schema);
  }

  #make(schema: JsonSchema, isResource: boolean): CelType | undefined {
    if (schema['x-kubernetes-int-or-string']) return dyn;
    switch (schema.type) {
      case 'object':
        return schema.additionalProperties === undefined ? this.#struct(schema, isResource) : this.#map(schema);
      case 'array': {
        const items = schema.items && this.of(schema.items);
        return items && orNull({ name: `list<${items.name}>`, fromJson: (value) => listOf(value, items) });
      }
      case 'integer':
        return orNull({
          name: 'int',
          fromJson: (value) => (typeof value === 'number' ? BigInt(Math.trunc(value)) : value),
        });
      case 'number':
        return { name: 'double', fromJson: keep };
      case 'boolean':
        return { name: 'bool', fromJson: keep };
      case 'string':
        return stringType(schema.format);
      default:
        return undefined;
    }
  }

  #map(schema: JsonSchema): CelType | undefined {
    const values = valuesOf(schema);
    const type = values ? this.of(values) : dyn;
    if (!type) return undefined;
    return orNull({
      name: `map<string, ${type.name}>`,
      fromJson: (value) =>
        new Map(Object.entries(isObject(value) ? value : {}).map(([key, each]) => [key, type.fromJson(each)])),
    });
  }

  /** An object of known fields: one that is not set is not there. */
  #struct(schema: JsonSchema, isResource: boolean): CelType {
    const name = `Object${++this.#count}`;
    const Struct = { [name]: class {} }[name] as new () => JsonObject;
    const properties = { ...schema.properties, ...(isResource ? resourceProperties(schema) : {}) };
    const fields = Object.entries(properties).flatMap(([field, child]): [string, string, CelType][] => {
      const type = this.of(child);
      return type ? identifiersOf(field).map((identifier) => [field, identifier, type]) : [];
    });
    const declared = Object.fromEntries(fields.map(([, identifier, type]) => [identifier, type.name]));
    this.#env.registerType(name, { ctor: Struct, fields: declared });
    this.#env.registerOperator(`${name} == ${name}`, celEquals);
    this.#env.registerOperator(`${name} == null`, (value: unknown) => value === null);
    return orNull({
      name,
      fromJson(value) {
        const object = new Struct();
        const given = isObject(value) ? value : {};
        for (const [field, identifier, type] of fields) {
          if (given[field] !== undefined) object[identifier] = type.fromJson(given[field]);
        }
        return object;
      },
    });
  }
}

/** What rules may see of the metadata of an object. */
export function resourceProperties({ properties = {} }: JsonSchema): Record<string, JsonSchema> {
  const text: JsonSchema = { type: 'string' };
  const metadata = {
    type: 'object',
    properties: { name: text, generateName: text, ...properties.metadata?.properties },
  };
  return { apiVersion: text, kind: text, metadata };
}

/** The library does not export its durations. */
export const toDuration = parse('duration(text)');

const orNull = (type: CelType): CelType => ({
  name: type.name,
  fromJson: (value) => (value === null ? null : type.fromJson(value)),
});

const listOf = (value: unknown, items: CelType): unknown[] =>
  Array.isArray(value) ? value.map((item) => items.fromJson(item)) : [];

function stringType(format: string | undefined): CelType {
  switch (format) {
    case 'byte':
      return { name: 'bytes', fromJson: (value) => (typeof value === 'string' ? Buffer.from(value, 'base64') : value) };
    case 'date':
    case 'date-time':
      return {
        name: 'google.protobuf.Timestamp',
        fromJson: (value) => (typeof value === 'string' ? new Date(value) : value),
      };
    case 'duration':
      return {
        name: 'google.protobuf.Duration',
        fromJson(value) {
          const text = typeof value === 'string' ? durationOf(value) : undefined;
          return text === undefined ? value : toDuration({ text });
        },
      };
    default:
      return { name: 'string', fromJson: keep };
  }
}

/** A value of no known type: whole numbers are ints, objects are maps. */
export function fromAnything(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(fromAnything);
  if (!isObject(value)) return value;
  return new Map(Object.entries(value).map(([key, each]) => [key, fromAnything(each)]));
}

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
const escapes: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};

/** What a field is called in CEL: words of CEL's own by themselves too, which nothing else can be after a point. */
export function identifiersOf(name: string): readonly string[] {
  const identifier = escapeName(name);
  if (identifier === undefined) return [];
  return reserved.has(name) ? [identifier, name] : [identifier];
}

/** A field's name as an identifier of CEL (apiserver's cel.Escape); `undefined` for one that cannot be. */
function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  return name.replace(/__|[-./]/g, (found) => escapes[found] ?? found);
}
