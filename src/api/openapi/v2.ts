import type { Kind } from '../kind.ts';
import { loadDescriptions, loadSchema } from '../schema/index.ts';
import { finder, kindsByDefinition, ownSchemas, rootsOf } from './definitions.ts';
import { type Operation, type Path, patchDefinition, pathsOf } from './operations.ts';
import { collectSchemas, v2Dialect } from './schemas.ts';
import { bodyTypes, type OpenApiDocument } from './v3.ts';

/** The OpenAPI 2.0 document of all kinds, for clients that do not know `/openapi/v3`. */
export function openapiV2(kinds: readonly Kind[]): OpenApiDocument {
  const schema = loadSchema();
  const find = finder(kinds, schema);
  const paths = kinds.flatMap((kind) => pathsOf(kind, find));
  const definitions = collectSchemas(
    rootsOf(kinds, paths),
    schema,
    loadDescriptions(),
    v2Dialect,
    kindsByDefinition(kinds, { group: '', version: 'v1' }),
    ownSchemas(kinds, v2Dialect),
  );
  definitions[patchDefinition] = { description: 'A patch of the kind that its content type says.', type: 'object' };
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: 'v1.36.0' },
    paths: Object.fromEntries(paths.map((path) => [path.path, pathItem(path)])),
    definitions,
  };
}

function pathItem({ parameters, operations }: Path): OpenApiDocument {
  return {
    ...Object.fromEntries(operations.map((operation) => [operation.method, operationObject(operation)])),
    ...(parameters.length > 0 && {
      parameters: parameters.map((name) => ({
        name,
        in: 'path',
        required: true,
        type: 'string',
        uniqueItems: true,
        description: name === 'name' ? 'name of the object' : 'namespace of the object',
      })),
    }),
  };
}

function operationObject(operation: Operation): OpenApiDocument {
  const { body, answer } = operation;
  return {
    description: operation.description,
    operationId: operation.operationId,
    consumes: body ? bodyTypes(operation) : ['*/*'],
    produces: ['application/json', 'application/yaml'],
    parameters: [
      ...(body
        ? [{ name: 'body', in: 'body', required: operation.method !== 'delete', schema: v2Dialect.ref(body) }]
        : []),
      ...operation.query.map(({ name, type, description }) => ({
        name,
        in: 'query',
        description,
        type,
        uniqueItems: true,
      })),
    ],
    responses: {
      200: { description: 'OK', ...(answer && { schema: v2Dialect.ref(answer) }) },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  };
}
