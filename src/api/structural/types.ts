import type { FieldFacts } from '../schema/compact.ts';
import type { Definition, Field, Type } from '../schema/schema.ts';
import { type JsonSchema, valuesOf } from './json-schema.ts';

const any: Type = { kind: 'scalar', scalar: 'any' };

/**
 * A schema as the type that patches and managed fields walk over. `metadata` is as it is for all kinds.
 *
 * @param name of the definition: `com.example.v1.CronTab`
 */
export function typeOfSchema(name: string, schema: JsonSchema, metadata: Type): Type {
  const text: Type = { kind: 'scalar', scalar: 'string' };
  const own: [string, Type][] = [
    ['apiVersion', text],
    ['kind', text],
    ['metadata', metadata],
  ];
  const definition = definitionOf(name, schema);
  const fields = new Map(definition.fields);
  for (const [field, type] of own) fields.set(field, fieldOf(field, type, {}));
  return { kind: 'struct', definition: { ...definition, fields } };
}

function typeOf(name: string, schema: JsonSchema | undefined): Type {
  switch (schema?.type) {
    case 'array':
      return { kind: 'list', items: typeOf(name, schema.items), facts: factsOf(schema.items ?? {}) };
    case 'object':
      if (schema.properties) return { kind: 'struct', definition: definitionOf(name, schema) };
      if (schema.additionalProperties === undefined) return { kind: 'map', values: any };
      return { kind: 'map', values: typeOf(name, valuesOf(schema)), facts: factsOf(valuesOf(schema) ?? {}) };
    case 'string':
      return { kind: 'scalar', scalar: 'string' };
    case 'boolean':
      return { kind: 'scalar', scalar: 'boolean' };
    case 'integer':
      return { kind: 'scalar', scalar: 'int64' };
    case 'number':
      return { kind: 'scalar', scalar: 'double' };
    default:
      return any;
  }
}

function definitionOf(name: string, schema: JsonSchema): Definition {
  const fields = Object.entries(schema.properties ?? {}).map(([field, child]): [string, Field] => [
    field,
    fieldOf(field, typeOf(`${name}.${field}`, child), factsOf(child)),
  ]);
  const mapType = schema['x-kubernetes-map-type'];
  return {
    name,
    goName: name,
    goType: name,
    fields: new Map(fields),
    facts: mapType ? { mapType } : {},
    isUnstructured: true,
  };
}

const fieldOf = (name: string, type: Type, facts: FieldFacts): Field => ({
  name,
  goPath: name,
  type,
  required: false,
  facts,
});

function factsOf(schema: JsonSchema): FieldFacts {
  return {
    listType: schema['x-kubernetes-list-type'],
    listMapKeys: schema['x-kubernetes-list-map-keys'],
    mapType: schema['x-kubernetes-map-type'],
    default: schema.default,
  };
}
