import { type Dialect, metadataDescription, type SchemaObject } from '../openapi/schemas.ts';
import { loadDescriptions } from '../schema/load.ts';
import type { JsonSchema } from './json-schema.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
/** A kind whose `apiVersion` and `kind` are described as every kind's. */
const anyKind = 'io.k8s.api.core.v1.ConfigMap';

/** What every object has. */
function ownProperties(dialect: Dialect): Record<string, SchemaObject> {
  const [, texts = {}] = loadDescriptions()[anyKind] ?? [];
  return {
    apiVersion: { type: 'string', description: texts.apiVersion },
    kind: { type: 'string', description: texts.kind },
    metadata: { description: metadataDescription, ...dialect.describedRef(`${meta}.ObjectMeta`) },
  };
}

/** The schema of a CRD as it stands in an OpenAPI document. */
export function openApiOfSchema(schema: JsonSchema, dialect: Dialect): SchemaObject {
  const isV2 = dialect.quantity.type === 'string';
  // Clients of the old document take a list of fields for all that there are.
  if (isV2 && schema['x-kubernetes-preserve-unknown-fields']) return { type: 'object' };
  const made = convert(schema, dialect, isV2);
  return { ...made, properties: { ...(made.properties as object), ...ownProperties(dialect) } };
}

/** Keywords that the old document does not know. */
const onlyV3 = new Set(['allOf', 'anyOf', 'oneOf', 'not', 'nullable']);

function convert(schema: JsonSchema, dialect: Dialect, isV2: boolean): SchemaObject {
  const out: SchemaObject = {};
  for (const [name, value] of Object.entries(schema)) if (!isV2 || !onlyV3.has(name)) out[name] = value;
  const nested = (each: JsonSchema) => convert(each, dialect, isV2);
  const vague = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'];
  if (isV2 && (vague || schema.nullable)) {
    // Nothing is said of a value that may be of several types.
    for (const name of ['type', 'items', 'properties', 'additionalProperties']) delete out[name];
    return out;
  }
  if (schema.items) out.items = nested(schema.items);
  if (typeof schema.additionalProperties === 'object') out.additionalProperties = nested(schema.additionalProperties);
  if (schema.properties) {
    const entries = Object.entries(schema.properties).map(([name, child]) => [name, nested(child)]);
    out.properties = Object.fromEntries(entries);
  }
  if (schema['x-kubernetes-embedded-resource']) {
    out.properties = { ...(out.properties as object), ...ownProperties(dialect) };
    out.required = [...new Set([...(schema.required ?? []), 'kind', 'apiVersion'])];
  }
  if (schema['x-kubernetes-int-or-string'] && !schema.anyOf && !schema.allOf) {
    out.anyOf = [{ type: 'integer' }, { type: 'string' }];
  }
  return out;
}
