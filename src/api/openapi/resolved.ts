import { isObject, type JsonSchema } from '../structural/json-schema.ts';

/** What may be anything: nothing is known of its type. */
const anything: JsonSchema = { 'x-kubernetes-int-or-string': true };
const types: ReadonlySet<unknown> = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean']);

/** An OpenAPI v3 document of the API server, as far as it is read here. */
export interface OpenApiDocument {
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

/**
 * The schema of a kind in a document, with the schemas that it refers to in their place; one that is within itself may
 * be anything there. `undefined` where the document does not have the kind.
 */
export function schemaOfKind(
  { components }: OpenApiDocument,
  group: string,
  version: string,
  kind: string,
): JsonSchema | undefined {
  const schemas = components?.schemas ?? {};
  const own = Object.values(schemas).find((schema) => {
    const names = isObject(schema) ? schema['x-kubernetes-group-version-kind'] : undefined;
    return (
      Array.isArray(names) &&
      names.some((each) => each.group === group && each.version === version && each.kind === kind)
    );
  });
  return own === undefined ? undefined : new Resolver(schemas).resolve(own);
}

class Resolver {
  readonly #schemas: Readonly<Record<string, unknown>>;
  readonly #made = new Map<string, JsonSchema>();

  constructor(schemas: Readonly<Record<string, unknown>>) {
    this.#schemas = schemas;
  }

  resolve(schema: unknown): JsonSchema {
    if (!isObject(schema)) return anything;
    if (typeof schema.$ref === 'string') return this.#named(schema.$ref.split('/').at(-1) ?? '');
    const { allOf, type, properties, additionalProperties, items } = schema;
    if (Array.isArray(allOf) && allOf.length === 1) return this.resolve(allOf[0]);
    if (!types.has(type) || schema['x-kubernetes-preserve-unknown-fields'] === true) return anything;
    return {
      type: type as string,
      format: typeof schema.format === 'string' ? schema.format : undefined,
      ...(isObject(properties)
        ? {
            properties: Object.fromEntries(
              Object.entries(properties).map(([name, each]) => [name, this.resolve(each)]),
            ),
          }
        : {}),
      ...(additionalProperties === undefined ? {} : { additionalProperties: this.resolve(additionalProperties) }),
      ...(items === undefined ? {} : { items: this.resolve(items) }),
    };
  }

  #named(name: string): JsonSchema {
    const known = this.#made.get(name);
    if (known) return known;
    this.#made.set(name, anything);
    const made = this.resolve(this.#schemas[name]);
    this.#made.set(name, made);
    return made;
  }
}
