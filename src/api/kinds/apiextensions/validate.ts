import type { FieldError } from '../../kind.ts';
import { equal, type Json } from '../../patch/json.ts';
import { fieldAt } from '../../structural/field-path.ts';
import type { JsonSchema } from '../../structural/json-schema.ts';
import type { CustomResourceDefinition } from '../../types.ts';
import { all, duplicate, each, forbidden, invalid, oneOf, required, ruled, ruledIfGiven, tooMany } from '../errors.ts';
import { dnsLabel1035, dnsSubdomain, faults } from '../names.ts';
import { isReviewed, validateReviewVersions } from '../review-versions.ts';
import { validateWebhookClient } from '../webhook-client.ts';
import { type Parts, partsOf, type Version } from './parts.ts';
import { validateSchema } from './schema.ts';

type Spec = CustomResourceDefinition['spec'];
type Conversion = Spec['conversion'];
type Names = Spec['names'];
type Column = NonNullable<Version['additionalPrinterColumns']>[number];

const MAX_SELECTABLE_FIELDS = 8;

/** What Kubernetes checks of a definition (apiextensions' ValidateCustomResourceDefinition). */
export async function validateDefinition(
  crd: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): Promise<FieldError[]> {
  const { spec } = crd;
  const versions = spec.versions ?? [];
  const { shared, own } = partsOf(versions);
  const schemaOf = (version: Parts, path: string, hasStatus: boolean) => checkSchema(version, path, hasStatus, old);
  const ownSchemas = versions.map((version, index) =>
    schemaOf(own[index] ?? {}, `spec.versions[${index}].schema.openAPIV3Schema`, hasStatusOf(version)),
  );
  const sharedSchema = schemaOf(shared, 'spec.validation.openAPIV3Schema', versions.some(hasStatusOf));
  return [
    ...(old ? [] : validateName(crd)),
    ...validateGroup(spec.group),
    ...validateScope(spec.scope),
    ...(await Promise.all(ownSchemas)).flat(),
    ...validateVersions(versions, own),
    ...namesNeeded.filter((name) => !spec.names[name]).map((name) => required(`spec.names.${name}`)),
    ...validateNames(spec.names, 'spec.names'),
    ...(await sharedSchema),
    ...validateParts(shared, 'spec', 'may only be set when validations.schema is included'),
    ...validateConversion(spec.conversion, old),
    ...validateNames(crd.status?.acceptedNames, 'status.acceptedNames'),
    ...validateStoredVersions(crd),
    ...validateApproval(crd, old),
    ...validatePreserve(spec, old),
  ];
}

const hasStatusOf = ({ subresources }: Version): boolean => Boolean(subresources?.status);

/** What was accepted before is not looked at again. */
async function checkSchema(
  { schema }: Parts,
  path: string,
  hasStatus: boolean,
  old: CustomResourceDefinition | undefined,
): Promise<FieldError[]> {
  const own = schema?.openAPIV3Schema;
  const isKnown = old?.spec.versions.some(
    (each) => equal((each.schema?.openAPIV3Schema ?? null) as Json, own as Json) && (hasStatusOf(each) || !hasStatus),
  );
  return own && !isKnown ? validateSchema(own as JsonSchema, path, hasStatus) : [];
}

function validatePreserve(spec: Spec, old: CustomResourceDefinition | undefined): FieldError[] {
  if (!spec.preserveUnknownFields || old?.spec.preserveUnknownFields) return [];
  const instead = 'set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
  return [invalid('spec.preserveUnknownFields', true, `cannot set to true, ${instead}`)];
}

function validateScope(scope: string | undefined): FieldError[] {
  return scope ? oneOf('spec.scope', scope, ['Cluster', 'Namespaced']) : [required('spec.scope')];
}

function validateName({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (metadata?.name === `${spec.names.plural}.${spec.group}`) return [];
  return [invalid('metadata.name', metadata?.name ?? '', 'must be spec.names.plural+"."+spec.group')];
}

function validateGroup(group: string | undefined): FieldError[] {
  if (!group) return [required('spec.group')];
  const wrong = dnsSubdomain(group);
  if (wrong) return [invalid('spec.group', group, wrong)];
  return group.includes('.') ? [] : [invalid('spec.group', group, 'should be a domain with at least one dot')];
}

const namesNeeded = ['plural', 'singular', 'kind', 'listKind'] as const;

/** Those that a definition wants, and those that it has. */
export function validateNames(names: Names | undefined, path: string): FieldError[] {
  if (!names) return [];
  const { plural, singular, kind, listKind } = names;
  const isSame = kind && kind === listKind;
  return all(
    ruledIfGiven(`${path}.plural`, plural, dnsLabel1035),
    ruledIfGiven(`${path}.singular`, singular, dnsLabel1035),
    validateKind(kind, `${path}.kind`),
    validateKind(listKind, `${path}.listKind`),
    validateAliases(names.shortNames, `${path}.shortNames`),
    isSame && [invalid(`${path}.listKind`, listKind, 'kind and listKind may not be the same')],
    validateAliases(names.categories, `${path}.categories`),
  );
}

function validateKind(kind: string | undefined, field: string): FieldError[] {
  if (!kind) return [];
  const wrong = faults(dnsLabel1035, kind.toLowerCase());
  if (wrong.length === 0) return [];
  return [invalid(field, kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`)];
}

const validateAliases = (names: readonly string[] | undefined, path: string): FieldError[] =>
  each(names, path, (name, field) => ruled(field, name ?? '', dnsLabel1035));

function validateVersions(versions: readonly Version[], own: readonly Parts[]): FieldError[] {
  const field = 'spec.versions';
  const names = versions.map(({ name }) => name ?? '');
  const errors = versions.flatMap((version, index) => validateVersion(version, own[index] ?? {}, `${field}[${index}]`));
  if (new Set(names).size < names.length) errors.push(invalid(field, versions, 'must contain unique version names'));
  if (versions.filter((version) => version.storage).length !== 1) {
    errors.push(invalid(field, versions, 'must have exactly one version marked as storage version'));
  }
  // Kubernetes has the first one's name a second time, from before there were several.
  return names[0] ? [...errors, ...ruled('spec.version', names[0], dnsLabel1035)] : errors;
}

function validateVersion(version: Version, own: Parts, path: string): FieldError[] {
  return [
    ...ruled(`${path}.name`, version.name ?? '', dnsLabel1035),
    ...validateDeprecation(version, `${path}.deprecationWarning`),
    ...(version.schema?.openAPIV3Schema ? [] : [required(`${path}.schema.openAPIV3Schema`)]),
    ...validateParts(own, path, 'may only be set when `version.schema.openAPIV3Schema` is not included'),
  ];
}

/** `needsSchema`: what is said of selectable fields without a schema beside them. */
function validateParts(parts: Parts, path: string, needsSchema: string): FieldError[] {
  const { schema, subresources, additionalPrinterColumns, selectableFields } = parts;
  const field = `${path}.selectableFields`;
  const fields = selectableFields ?? [];
  return [
    ...validateSubresources(subresources, `${path}.subresources`),
    ...each(additionalPrinterColumns, `${path}.additionalPrinterColumns`, validateColumn),
    ...(fields.length > 0 && !schema?.openAPIV3Schema ? [invalid(field, '', needsSchema)] : []),
    ...(schema?.openAPIV3Schema ? validateSelectableFields(fields, schema.openAPIV3Schema as JsonSchema, field) : []),
  ];
}

function validateDeprecation({ deprecated, deprecationWarning: text }: Version, field: string): FieldError[] {
  if (text === undefined) return [];
  const wrong = (detail: string) => invalid(field, text, detail);
  if (!deprecated) return [wrong('can only be set for deprecated versions')];
  const at = text.search(/[[\p{C}\p{Z}]--[ ]]/v);
  const where = `non-printable character found at index ${Buffer.byteLength(text.slice(0, at))}`;
  return all(
    Buffer.byteLength(text) > 256 && [wrong('must be <= 256 characters long')],
    text === '' && [wrong('must not be an empty string')],
    at >= 0 && [wrong(`must only contain printable UTF-8 characters; ${where}`)],
  );
}

function validateSubresources(subresources: Parts['subresources'], path: string): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  return [
    ...validateScalePath(scale.specReplicasPath, `${path}.scale.specReplicasPath`, ['.spec']),
    ...validateScalePath(scale.statusReplicasPath, `${path}.scale.statusReplicasPath`, ['.status']),
    ...(scale.labelSelectorPath
      ? validateScalePath(scale.labelSelectorPath, `${path}.scale.labelSelectorPath`, ['.spec', '.status'])
      : []),
  ];
}

function validateScalePath(path: string | undefined, field: string, below: readonly string[]): FieldError[] {
  if (!path) return [required(field)];
  const simple = validatePath(path, field);
  if (simple.length > 0 || below.some((start) => path.startsWith(`${start}.`))) return simple;
  return [
    invalid(field, path, `should be a json path under ${below.length > 1 ? 'either ' : ''}${below.join(' or ')}`),
  ];
}

function validatePath(path: string, field: string): FieldError[] {
  return path.startsWith('.') ? [] : [invalid(field, path, 'must be a simple json path starting with .')];
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function validateColumn(column: Column, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { name, type, format, jsonPath } = column;
  const types = `must be one of ${columnTypes.join(',')}`;
  if (!name) errors.push(required(`${path}.name`));
  if (!type) errors.push(required(`${path}.type`, types));
  else if (!columnTypes.includes(type)) errors.push(invalid(`${path}.type`, type, types));
  if (format && !columnFormats.includes(format)) {
    errors.push(invalid(`${path}.format`, format, `must be one of ${columnFormats.join(',')}`));
  }
  if (!jsonPath) errors.push(required(`${path}.JSONPath`));
  else errors.push(...validatePath(jsonPath, `${path}.JSONPath`));
  return errors;
}

function validateSelectableFields(
  fields: NonNullable<Version['selectableFields']>,
  schema: JsonSchema,
  path: string,
): FieldError[] {
  const known = new Set<string>();
  const errors = each(fields, path, ({ jsonPath }, at) =>
    validateSelectable(jsonPath, schema, `${at}.jsonPath`, known),
  );
  return known.size > MAX_SELECTABLE_FIELDS ? [...errors, tooMany(path, known.size, MAX_SELECTABLE_FIELDS)] : errors;
}

/** `known`: the fields before it. */
function validateSelectable(jsonPath: string, schema: JsonSchema, field: string, known: Set<string>): FieldError[] {
  if (!jsonPath) return [required(field)];
  const found = fieldAt(jsonPath, schema, false);
  if ('error' in found) return [invalid(field, jsonPath, `is an invalid path: ${found.error}`)];
  const errors: FieldError[] = [];
  const name = found.names.join('.');
  if (found.names[0] === 'metadata') errors.push(invalid(field, jsonPath, 'must not point to fields in metadata'));
  if (!['string', 'boolean', 'integer'].includes(found.schema?.type ?? '')) {
    const types = 'string, boolean or integer. Enum string fields and strings with formats are allowed.';
    errors.push(invalid(field, jsonPath, `must point to a field of type ${types}`));
  }
  if (known.has(name)) errors.push(duplicate(field, jsonPath));
  known.add(name);
  return errors;
}

function validateConversion(conversion: Conversion, old: CustomResourceDefinition | undefined): FieldError[] {
  const field = 'spec.conversion';
  if (!conversion) return [];
  const { strategy, webhook } = conversion;
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== 'Webhook') {
    const detail = 'should not be set when strategy is not set to Webhook';
    return [
      ...(strategy ? oneOf(`${field}.strategy`, strategy, ['None', 'Webhook']) : [required(`${field}.strategy`)]),
      ...(webhook?.clientConfig ? [forbidden(`${field}.webhookClientConfig`, detail)] : []),
      ...(versions.length > 0 ? [forbidden(`${field}.conversionReviewVersions`, detail)] : []),
    ];
  }
  const client = `${field}.webhookClientConfig`;
  const reviews = `${field}.conversionReviewVersions`;
  // Versions of which none was known before may go on so.
  const needsKnown = isReviewed(old?.spec.conversion?.webhook?.conversionReviewVersions ?? []);
  return [
    ...(webhook?.clientConfig
      ? validateWebhookClient(webhook.clientConfig, client)
      : [required(client, 'required when strategy is set to Webhook')]),
    ...(versions.length > 0 ? validateReviewVersions(versions, reviews, needsKnown) : [required(reviews)]),
  ];
}

function validateStoredVersions({ spec, status }: CustomResourceDefinition): FieldError[] {
  const field = 'status.storedVersions';
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0) return [invalid(field, null, 'must have at least one stored version')];
  const versions = spec.versions ?? [];
  const left = new Set(stored);
  // A name that stands there twice finds it once.
  const missing = versions.filter(({ name, storage }) => !left.delete(name) && storage);
  const errors = missing.map(({ name }) => invalid(field, stored, `must have the storage version ${name}`));
  const gone = stored.flatMap((name, index) => {
    if (versions.some((version) => version.name === name)) return [];
    const detail = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    return [invalid(`${field}[${index}]`, name, detail)];
  });
  return [...errors, ...gone];
}

const APPROVED = 'api-approved.kubernetes.io';

/** Groups of Kubernetes' own community are for what it has agreed on (KEP-1111). */
function validateApproval(crd: CustomResourceDefinition, old: CustomResourceDefinition | undefined): FieldError[] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(crd.spec.group ?? '')) return [];
  const value = crd.metadata?.annotations?.[APPROVED] ?? '';
  if (old && (old.metadata?.annotations?.[APPROVED] ?? '') === value) return [];
  const field = `metadata.annotations[${APPROVED}]`;
  const where = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (value === '') {
    return [required(field, `protected groups must have approval annotation "${APPROVED}", ${where}`)];
  }
  if (value.startsWith('unapproved') || URL.canParse(value)) return [];
  const detail = `protected groups must have approval annotation "${APPROVED}" with either a URL or a reason starting with "unapproved", ${where}`;
  return [invalid(field, value, detail)];
}
