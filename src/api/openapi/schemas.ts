import type { DefinitionFacts, Descriptions, FieldFacts, Scalar } from '../schema/compact.ts';
import type { Definition, Schema, Type } from '../schema/schema.ts';

/** A schema object of OpenAPI, as JSON. */
export type SchemaObject = Record<string, unknown>;

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** What differs between OpenAPI 2 and 3. */
export interface Dialect {
  /** A reference to a definition. */
  ref(name: string): SchemaObject;
  /** A reference that has a description (and other things) beside it. */
  describedRef(name: string): SchemaObject;
  /** Types that are a string and something else. */
  readonly quantity: SchemaObject;
  readonly intOrString: SchemaObject;
}

export const v3Dialect: Dialect = {
  ref: (name) => ({ $ref: `#/components/schemas/${name}` }),
  // A $ref of OpenAPI 3.0 hides everything beside it.
  describedRef: (name) => ({ allOf: [{ $ref: `#/components/schemas/${name}` }] }),
  quantity: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  intOrString: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
};

export const v2Dialect: Dialect = {
  ref: (name) => ({ $ref: `#/definitions/${name}` }),
  describedRef: (name) => ({ $ref: `#/definitions/${name}` }),
  quantity: { type: 'string' },
  intOrString: { type: 'string', format: 'int-or-string' },
};

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Scalars that have a definition of their own. */
const named: Partial<Record<Scalar, string>> = {
  Time: `${meta}.Time`,
  MicroTime: `${meta}.MicroTime`,
  Quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  IntOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
};

const plain: Partial<Record<Scalar, SchemaObject>> = {
  string: { type: 'string' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  boolean: { type: 'boolean' },
  bytes: { type: 'string', format: 'byte' },
  any: { type: 'object' },
};

function namedScalar(scalar: Scalar, dialect: Dialect): SchemaObject {
  switch (scalar) {
    case 'Quantity':
      return {
        description: 'A fixed-point number with a suffix: 500m (half a core), 1.5, 64Mi, 2Gi, 1e3.',
        ...dialect.quantity,
      };
    case 'IntOrString':
      return { description: 'A whole number or a string, such as a port or its name.', ...dialect.intOrString };
    case 'MicroTime':
      return { description: 'A time in RFC 3339 with microseconds.', type: 'string', format: 'date-time' };
    default:
      return { description: 'A time in RFC 3339.', type: 'string', format: 'date-time' };
  }
}

/**
 * The schemas of `roots` and of all that they refer to, by definition name in alphabetical order.
 *
 * @param kinds the group, version and kinds that a definition is served as
 * @param own schemas of kinds that have no definition
 */
export function collectSchemas(
  roots: Iterable<string>,
  schema: Schema,
  descriptions: Descriptions,
  dialect: Dialect,
  kinds: ReadonlyMap<string, readonly GroupVersionKind[]>,
  own: Readonly<Record<string, SchemaObject>> = {},
): Record<string, SchemaObject> {
  const found = new Map(Object.entries(own));
  const pending = [...roots];
  if (found.size > 0) pending.push(`${meta}.ObjectMeta`, `${meta}.ListMeta`);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name)) continue;
    const definition = schema.definition(name);
    if (!definition) continue;
    found.set(name, structSchema(definition, descriptions, dialect, kinds.get(name)));
    for (const { type } of definition.fields.values()) collectType(type, dialect, found, pending);
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Notes what a field refers to: a struct to visit, or a scalar with a definition of its own. */
function collectType(type: Type, dialect: Dialect, found: Map<string, SchemaObject>, pending: string[]): void {
  const element = elementOf(type);
  if (element.kind === 'struct') {
    pending.push(element.definition.name);
    return;
  }
  const name = named[element.scalar];
  if (name !== undefined) found.set(name, namedScalar(element.scalar, dialect));
}

/** What a list or map of lists or maps is of in the end. */
function elementOf(type: Type): Exclude<Type, { kind: 'list' | 'map' }> {
  if (type.kind === 'list') return elementOf(type.items);
  return type.kind === 'map' ? elementOf(type.values) : type;
}

function structSchema(
  definition: Definition,
  descriptions: Descriptions,
  dialect: Dialect,
  kinds: readonly GroupVersionKind[] | undefined,
): SchemaObject {
  const [text = '', texts = {}] = descriptions[definition.name] ?? [];
  const fields = [...definition.fields.values()];
  const required = fields.filter((field) => field.required).map((field) => field.name);
  const properties = fields.map(({ name, type, facts }) => {
    const description = texts[name] || impliedDescription(name, type, descriptions);
    return [
      name,
      { ...(description && { description }), ...typeSchema(type, dialect, true), ...factExtensions(facts) },
    ];
  });
  return {
    ...(text && { description: text }),
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
    ...definitionExtensions(definition.facts),
    ...(kinds && { 'x-kubernetes-group-version-kind': kinds }),
  };
}

/** Of the `metadata` of all kinds. */
export const metadataDescription = "Standard object's metadata: its name, namespace, labels and annotations.";

/**
 * The text of a field that has none: the generated models drop it where a field refers to a struct. What all kinds
 * have is said in words of its own, for the rest the struct speaks.
 */
function impliedDescription(name: string, type: Type, descriptions: Descriptions): string {
  if (type.kind !== 'struct') return '';
  const target = type.definition.name;
  if (target === `${meta}.ObjectMeta`) return metadataDescription;
  if (target === `${meta}.ListMeta`) return 'Resource version of the list, and how to go on with it.';
  if (name === 'spec') return 'What the object should be.';
  if (name === 'status') return 'What was last seen of it; written by the system.';
  return descriptions[target]?.[0].split(/(?<=\.)\s/, 1)[0] ?? '';
}

function typeSchema(type: Type, dialect: Dialect, described = false): SchemaObject {
  switch (type.kind) {
    case 'list':
      return { type: 'array', items: typeSchema(type.items, dialect) };
    case 'map':
      return { type: 'object', additionalProperties: typeSchema(type.values, dialect) };
    case 'struct':
      return described ? dialect.describedRef(type.definition.name) : dialect.ref(type.definition.name);
    case 'scalar': {
      const name = named[type.scalar];
      if (name === undefined) return { ...plain[type.scalar] };
      return described ? dialect.describedRef(name) : dialect.ref(name);
    }
  }
}

function factExtensions(facts: FieldFacts): SchemaObject {
  return {
    ...(facts.listType && { 'x-kubernetes-list-type': facts.listType }),
    ...(facts.listMapKeys && { 'x-kubernetes-list-map-keys': facts.listMapKeys }),
    ...(facts.mapType && { 'x-kubernetes-map-type': facts.mapType }),
    ...(facts.patchStrategy && { 'x-kubernetes-patch-strategy': facts.patchStrategy }),
    ...(facts.patchMergeKey && { 'x-kubernetes-patch-merge-key': facts.patchMergeKey }),
  };
}

function definitionExtensions(facts: DefinitionFacts): SchemaObject {
  return {
    ...(facts.mapType && { 'x-kubernetes-map-type': facts.mapType }),
    ...(facts.unions && { 'x-kubernetes-unions': facts.unions }),
  };
}
