import { createHash } from 'node:crypto';
import type { Kind } from '../kind.ts';
import { apiVersion } from '../resource.ts';
import { loadDescriptions, loadSchema } from '../schema/index.ts';
import { finder, kindsByDefinition, ownSchemas, rootsOf } from './definitions.ts';
import { type Operation, type Path, patchDefinition, pathsOf } from './operations.ts';
import { collectSchemas, v3Dialect } from './schemas.ts';

/** An OpenAPI document, as JSON. */
export type OpenApiDocument = Record<string, unknown>;

/** Raised when the documents of the same kinds and schema come out differently, so that clients fetch them anew. */
const documentForm = 3;

/**
 * The OpenAPI 3.0 document of one group and version: paths, and the schemas that its kinds reach. kubectl reads it
 * for `explain`, and asks the `patch` operations whether the server validates fields and runs dry.
 */
export function openapiV3(kinds: readonly Kind[], group: string, version: string): OpenApiDocument {
  const served = kinds.filter((kind) => kind.group === group && kind.version === version);
  const schema = loadSchema();
  const find = finder(kinds, schema);
  const paths = served.flatMap((kind) => pathsOf(kind, find));
  const schemas = collectSchemas(
    rootsOf(served, paths),
    schema,
    loadDescriptions(),
    v3Dialect,
    kindsByDefinition(kinds, { group, version }),
    ownSchemas(served, v3Dialect),
  );
  schemas[patchDefinition] = { description: 'A patch of the kind that its content type says.', type: 'object' };
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.0' },
    paths: Object.fromEntries(paths.map((path) => [path.path, pathItem(path)])),
    components: { schemas },
  };
}

/**
 * What `/openapi/v3` answers: where each group's document is. The hash in an address changes when the document does,
 * so that it may be kept for ever; it is made without making the document.
 */
export function openapiV3Index(kinds: readonly Kind[]): OpenApiDocument {
  const groups = new Map<string, Kind[]>();
  for (const kind of kinds) {
    const prefix = kind.group === '' ? 'api' : 'apis';
    const path = `${prefix}/${apiVersion(kind)}`;
    groups.set(path, [...(groups.get(path) ?? []), kind]);
  }
  const entries = [...groups].map(([path, served]) => {
    const hash = createHash('sha256').update(
      `${documentForm} ${loadSchema().hash} ${JSON.stringify(served.map(identity))}`,
    );
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash.digest('hex').toUpperCase()}` }];
  });
  return { paths: Object.fromEntries(entries) };
}

/** What tells one form of a kind from another. */
const identity = (kind: Kind) => ({ ...kind, schema: kind.schema?.hash });

function pathItem({ parameters, operations }: Path): OpenApiDocument {
  return {
    ...Object.fromEntries(operations.map((operation) => [operation.method, operationObject(operation)])),
    ...(parameters.length > 0 && {
      parameters: parameters.map((name) => ({
        name,
        in: 'path',
        required: true,
        description: name === 'name' ? 'name of the object' : 'namespace of the object',
        schema: { type: 'string', uniqueItems: true },
      })),
    }),
  };
}

function operationObject(operation: Operation): OpenApiDocument {
  const { body, answer } = operation;
  const content = (definition: string) => ({ schema: v3Dialect.ref(definition) });
  return {
    description: operation.description,
    operationId: operation.operationId,
    ...(operation.query.length > 0 && {
      parameters: operation.query.map(({ name, type, description }) => ({
        name,
        in: 'query',
        description,
        schema: { type, uniqueItems: true },
      })),
    }),
    ...(body && {
      requestBody: {
        content: Object.fromEntries(bodyTypes(operation).map((type) => [type, content(body)])),
        ...(operation.method !== 'delete' && { required: true }),
      },
    }),
    responses: {
      200: { description: 'OK', ...(answer && { content: { 'application/json': content(answer) } }) },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  };
}

/** Content types that an operation's body may have. */
export function bodyTypes({ body, isCustom }: Operation): string[] {
  if (body !== patchDefinition) return ['application/json', 'application/yaml'];
  const strategic = isCustom ? [] : ['strategic-merge-patch+json'];
  const forms = ['json-patch+json', 'merge-patch+json', ...strategic, 'apply-patch+yaml'];
  return forms.map((form) => `application/${form}`);
}
