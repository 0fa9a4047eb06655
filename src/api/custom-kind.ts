import { createHash } from 'node:crypto';
import type { SchemaRules } from './cel/rules.ts';
import type { Column, Convert, FieldError, FieldLabel, Kind, OwnSchema, ScalePaths } from './kind.ts';
import { ageColumn, nameColumn } from './kinds/columns.ts';
import { allMetadata } from './kinds/define.ts';
import { ageOf } from './kinds/duration.ts';
import { invalid } from './kinds/errors.ts';
import { validateMetadata } from './kinds/metadata.ts';
import type { CheckOptions } from './schema/check.ts';
import { checkType } from './schema/check.ts';
import type { Type } from './schema/schema.ts';
import { applyDefaults } from './structural/defaults.ts';
import { checkEmbedded, metadataType } from './structural/embedded.ts';
import { compileJsonPath } from './structural/json-path.ts';
import { hasRules, type JsonObject, type JsonSchema } from './structural/json-schema.ts';
import { checkListTypes } from './structural/list-types.ts';
import { nestedField } from './structural/nested.ts';
import { openApiOfSchema } from './structural/openapi.ts';
import { prune } from './structural/prune.ts';
import { typeOfSchema } from './structural/types.ts';
import { validateAt, validateValue } from './structural/validate.ts';
import type { CustomResourceDefinition, KubeObject } from './types.ts';

type Version = CustomResourceDefinition['spec']['versions'][number];

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const MAX_INT32 = 2 ** 31 - 1;

/** What an object of a run-time kind may hold. */
type CustomObject = KubeObject & JsonObject;

/** The kinds that a definition makes: one for each version that is served. Without `convert` they differ in name only. */
export function customKinds(crd: CustomResourceDefinition, convert?: Convert): Kind[] {
  return crd.spec.versions.filter((version) => version.served).map((version) => customKind(crd, version, convert));
}

function customKind(crd: CustomResourceDefinition, version: Version, convert: Convert | undefined): Kind {
  const { group, scope } = crd.spec;
  const names = crd.status?.acceptedNames ?? crd.spec.names;
  const schema = (version.schema?.openAPIV3Schema ?? {}) as JsonSchema;
  const definition = [...group.split('.').reverse(), version.name, names.kind].join('.');
  const listKind = names.listKind ?? `${names.kind}List`;
  const scale = version.subresources?.scale;
  const kind = {
    group,
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    namespaced: scope === 'Namespaced',
    listKind,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    definition,
    refusesCreate: crd.metadata?.deletionTimestamp
      ? 'create not allowed while custom resource definition is terminating'
      : undefined,
    hasStatus: version.subresources?.status !== undefined,
    scale: scale && scalePaths(scale),
    subresources: [],
    generation: true,
    needsVersion: true,
    keptByStatus: allMetadata,
    fieldLabels: fieldLabelsOf(version),
    columns: columnsOf(version),
    deprecation: deprecationOf(group, version, names.kind),
  };
  const own = ownSchema({ definition, listKind, schema, kind: names.kind, group, version });
  return {
    ...kind,
    schema: own,
    warnings: finalizerWarnings,
    setDefaults: (object) => applyDefaults(schema, object),
    validate: (object, old, subresource) => [
      ...validateMetadata(object, old, { namespaced: kind.namespaced, anyFinalizer: true }),
      ...validateCustom(schema, object as CustomObject, old as CustomObject | undefined, subresource),
      ...validateScale(object, kind.scale, subresource),
    ],
    validateRules: hasRules(schema) ? rulesOf(schema) : undefined,
    storedAs: { ...storedAs(crd, kind.kind, version.name, own, schema), convert },
  };
}

const scalePaths = (scale: NonNullable<NonNullable<Version['subresources']>['scale']>): ScalePaths => ({
  specReplicas: scale.specReplicasPath,
  statusReplicas: scale.statusReplicasPath,
  labelSelector: scale.labelSelectorPath,
});

function deprecationOf(group: string, { name, deprecated, deprecationWarning }: Version, kind: string) {
  if (!deprecated) return undefined;
  return deprecationWarning ?? `${group}/${name} ${kind} is deprecated`;
}

function fieldLabelsOf({ selectableFields = [] }: Version): Record<string, FieldLabel<KubeObject>> {
  return Object.fromEntries(
    selectableFields.map(({ jsonPath }) => {
      const find = compileJsonPath(jsonPath);
      return [jsonPath.replace(/^\./, ''), (object: KubeObject) => String(find(object)[0] ?? '')];
    }),
  );
}

function columnsOf({ additionalPrinterColumns = [] }: Version): Column<KubeObject>[] {
  if (additionalPrinterColumns.length === 0) return [nameColumn, { ...ageColumn, type: 'date' }];
  const own = additionalPrinterColumns.map((column): Column<KubeObject> => {
    const { name, type, format, description, priority = 0, jsonPath } = column;
    const find = compileJsonPath(jsonPath);
    return {
      name,
      type: type as Column<KubeObject>['type'],
      format,
      description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
      priority,
      cell: (object, now) => cellOf(type, find(object)[0], now),
    };
  });
  return [nameColumn, ...own];
}

/** A value as a cell of its column's type; what does not fit is left out. */
function cellOf(type: string, value: unknown, now: number): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : ageOf(value, now);
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}

interface SchemaParts {
  readonly definition: string;
  readonly listKind: string;
  readonly schema: JsonSchema;
  readonly kind: string;
  readonly group: string;
  readonly version: Version;
}

function ownSchema({ definition, listKind, schema, kind, group, version }: SchemaParts): OwnSchema {
  let type: Type | undefined;
  const list = definition.replace(/[^.]+$/, listKind);
  const servedAs = (name: string) => [{ group, version: version.name, kind: name }];
  return {
    get type() {
      type ??= typeOfSchema(definition, schema, metadataType());
      return type;
    },
    check: (object, options) => checkCustom(schema, object as CustomObject, options),
    openApi: (dialect) => ({
      [definition]: { ...openApiOfSchema(schema, dialect), 'x-kubernetes-group-version-kind': servedAs(kind) },
      [list]: {
        description: `${listKind} is a list of ${kind}`,
        type: 'object',
        required: ['items'],
        properties: {
          apiVersion: { type: 'string', description: 'Group and version of the list.' },
          items: { type: 'array', description: `The objects of the list.`, items: dialect.ref(definition) },
          kind: { type: 'string', description: `Always ${listKind}.` },
          metadata: {
            description: 'Resource version of the list, and how to go on with it.',
            ...dialect.describedRef(`${meta}.ListMeta`),
          },
        },
        'x-kubernetes-group-version-kind': servedAs(listKind),
      },
    }),
    hash: createHash('sha256').update(JSON.stringify(version)).digest('hex'),
  };
}

/** Metadata is read as that of all kinds; of the rest, what the schema does not know goes. */
function checkCustom(schema: JsonSchema, object: CustomObject, options: CheckOptions) {
  const metadata = checkType(metadataType(), object.metadata ?? {}, options);
  const removed = prune(schema, object, (each) => checkType(metadataType(), each, options).unknown);
  const reported = options.onUnknown === 'report' ? removed : [];
  return { unknown: [...metadata.unknown.map((path) => `metadata.${path}`), ...reported], errors: metadata.errors };
}

/** Through `/status` only the status is looked at. */
function validateCustom(
  schema: JsonSchema,
  object: CustomObject,
  old: CustomObject | undefined,
  subresource: string | undefined,
): FieldError[] {
  const rest = [
    ...checkEmbedded({ ...schema, 'x-kubernetes-embedded-resource': false }, object, metadataType()),
    ...(old && checkListTypes(schema, old).length > 0 ? [] : checkListTypes(schema, object)),
  ];
  if (subresource !== 'status') return [...validateValue(schema, object, '', old), ...rest];
  const status = schema.properties?.status;
  if (!status || object.status === undefined) return rest;
  return [...validateAt('status', status, object.status, old?.status), ...rest];
}

/** What rules do not say anything of: they are for values of the right form. */
const blocking = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** Rules in CEL are compiled at the first write. */
function rulesOf(schema: JsonSchema): NonNullable<Kind['validateRules']> {
  let rules: SchemaRules | undefined;
  return async (object, old, _subresource, found) => {
    if (found.some(({ reason }) => blocking.has(reason))) {
      const detail =
        'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
      return [invalid('<nil>', null, detail)];
    }
    rules ??= new (await import('./cel/rules.ts')).SchemaRules(schema);
    return rules.validate(schema, object, '', old);
  };
}

/** A finalizer without a domain may be taken for another's. */
function finalizerWarnings({ metadata }: KubeObject): string[] {
  const plain = (metadata?.finalizers ?? []).filter((each) => !each.includes('/') && !standardFinalizers.has(each));
  return plain.map((finalizer) => {
    const name = `finalizer name${finalizer.includes('.') ? ' including a path (/)' : ''}`;
    return `metadata.finalizers: ${JSON.stringify(finalizer)}: prefer a domain-qualified ${name} to avoid accidental conflicts with other finalizer writers`;
  });
}

const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

/** Where a scale's numbers are, there must be numbers. */
function validateScale(object: KubeObject, scale: ScalePaths | undefined, subresource: string | undefined) {
  if (!scale) return [];
  const { specReplicas, statusReplicas, labelSelector } = scale;
  return [
    ...(subresource === 'status' ? [] : validateReplicas(object, specReplicas)),
    ...validateReplicas(object, statusReplicas),
    ...(labelSelector ? validateSelector(object, labelSelector) : []),
  ];
}

function validateReplicas(object: KubeObject, path: string): FieldError[] {
  const found = nestedField(object, path, 'int64');
  if ('error' in found) return [invalid(path, 0, found.error)];
  const value = Number(found.value ?? 0);
  if (value < 0) return [invalid(path, value, 'should be a non-negative integer')];
  return value > MAX_INT32 ? [invalid(path, value, `should be less than or equal to ${MAX_INT32}`)] : [];
}

function validateSelector(object: KubeObject, path: string): FieldError[] {
  const found = nestedField(object, path, 'string');
  return 'error' in found ? [invalid(path, '', found.error)] : [];
}

/**
 * Objects are kept in the storage version. One that was written in another version, or before this schema, is made
 * what it would be now when it is read.
 */
function storedAs(crd: CustomResourceDefinition, kind: string, version: string, own: OwnSchema, schema: JsonSchema) {
  const { group, names } = crd.spec;
  const storage = crd.spec.versions.find((each) => each.storage)?.name ?? version;
  const shown = Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":"${group}/${version}",`);
  const since = Number(crd.metadata?.resourceVersion ?? 0);
  return {
    resource: { group, version: storage, kind, plural: names.plural, namespaced: crd.spec.scope === 'Namespaced' },
    toStored: (object: KubeObject) => ({ ...object, apiVersion: `${group}/${storage}` }),
    fromStored: (object: KubeObject) => {
      const found = { ...object, apiVersion: `${group}/${version}` };
      own.check(found, {});
      applyDefaults(schema, found);
      return found;
    },
    isShown: (bytes: Uint8Array, revision: number) => revision > since && shown.equals(bytes.subarray(0, shown.length)),
  };
}
