import type { FieldError } from '../../kind.ts';
import { equal, type Json } from '../../patch/json.ts';
import { checkDefaults } from '../../structural/check-defaults.ts';
import { childOf, hasRules, type JsonSchema } from '../../structural/json-schema.ts';
import { checkKeywords, checkRoot } from '../../structural/keywords.ts';
import { checkStructural } from '../../structural/structural.ts';
import type { CustomResourceDefinition } from '../../types.ts';
import { duplicate, forbidden, invalid, oneOf, required, tooMany } from '../errors.ts';
import { dnsLabel1035, dnsSubdomain } from '../names.ts';
import { isReviewed, validateReviewVersions } from '../review-versions.ts';
import { validateWebhookClient } from '../webhook-client.ts';
import { schemaOf } from './custom-resource-definition.ts';

type Spec = CustomResourceDefinition['spec'];
type Conversion = Spec['conversion'];
type Names = Spec['names'];
type Version = Spec['versions'][number];
type Column = NonNullable<Version['additionalPrinterColumns']>[number];

const MAX_SELECTABLE_FIELDS = 8;

/** What Kubernetes checks of a definition (apiextensions' ValidateCustomResourceDefinition). */
export async function validateDefinition(
  crd: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): Promise<FieldError[]> {
  const errors = validateParts(crd, old);
  return errors.length > 0 ? errors : validateCelRules(crd, old);
}

/** Rules are compiled against schemas that are otherwise sound. */
async function validateCelRules(
  { spec }: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): Promise<FieldError[]> {
  const errors: FieldError[] = [];
  for (const [index, version] of spec.versions.entries()) {
    const schema = schemaOf(version);
    if (!schema || !hasRules(schema) || isUnchanged(version, old)) continue;
    const { SchemaRules } = await import('../../cel/rules.ts');
    const path = `spec.versions[${index}].schema.openAPIV3Schema`;
    const rules = new SchemaRules(schema);
    const wrong = rules.check(schema, path);
    errors.push(...(wrong.length > 0 ? wrong : rules.checkDefaults(schema, path)));
  }
  return errors;
}

function validateParts(crd: CustomResourceDefinition, old: CustomResourceDefinition | undefined): FieldError[] {
  const { spec } = crd;
  return [
    ...validateName(crd),
    ...validateGroup(spec.group),
    ...oneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced']),
    ...validateVersions(spec.versions ?? [], old),
    ...validateNames(spec.names, 'spec.names'),
    ...validateConversion(spec.conversion, old?.spec.conversion),
    ...validateStoredVersions(crd),
    ...validateApproval(crd, old),
    ...(spec.preserveUnknownFields && !old?.spec.preserveUnknownFields
      ? [
          invalid(
            'spec.preserveUnknownFields',
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
  ];
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

function validateNames(names: Names, path: string): FieldError[] {
  const errors = (['plural', 'singular', 'kind', 'listKind'] as const)
    .filter((name) => !names[name])
    .map((name) => required(`${path}.${name}`));
  const check = (field: string, value: string | undefined, isKind = false) => {
    const wrong = value ? dnsLabel1035(isKind ? value.toLowerCase() : value) : undefined;
    const detail = isKind ? `may have mixed case, but should otherwise match: ${wrong}` : (wrong ?? '');
    if (wrong) errors.push(invalid(`${path}.${field}`, value, detail));
  };
  check('plural', names.plural);
  check('singular', names.singular);
  check('kind', names.kind, true);
  check('listKind', names.listKind, true);
  for (const [index, name] of (names.shortNames ?? []).entries()) check(`shortNames[${index}]`, name);
  if (names.kind && names.kind === names.listKind) {
    errors.push(invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same'));
  }
  for (const [index, name] of (names.categories ?? []).entries()) check(`categories[${index}]`, name);
  return errors;
}

function validateVersions(versions: readonly Version[], old: CustomResourceDefinition | undefined): FieldError[] {
  const field = 'spec.versions';
  const names = versions.map((version) => version.name);
  const errors = versions.flatMap((version, index) => validateVersion(version, `${field}[${index}]`, old));
  if (new Set(names).size < names.length) errors.push(invalid(field, names, 'must contain unique version names'));
  if (versions.filter((version) => version.storage).length !== 1) {
    errors.push(invalid(field, names, 'must have exactly one version marked as storage version'));
  }
  return errors;
}

function validateVersion(version: Version, path: string, old: CustomResourceDefinition | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const wrong = dnsLabel1035(version.name);
  if (wrong) errors.push(invalid(`${path}.name`, version.name, wrong));
  errors.push(...validateDeprecation(version, `${path}.deprecationWarning`));
  const schema = schemaOf(version);
  const at = `${path}.schema.openAPIV3Schema`;
  if (!schema) errors.push(required(at));
  // What was accepted before is not looked at again.
  else if (!isUnchanged(version, old)) {
    errors.push(...validateSchema(schema, at, version.subresources?.status !== undefined));
  }
  errors.push(...validateSubresources(version, `${path}.subresources`));
  for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
    errors.push(...validateColumn(column, `${path}.additionalPrinterColumns[${index}]`));
  }
  errors.push(...validateSelectableFields(version, schema, `${path}.selectableFields`));
  return errors;
}

function isUnchanged(version: Version, old: CustomResourceDefinition | undefined): boolean {
  const before = old?.spec.versions.find((each) => each.name === version.name);
  return before !== undefined && equal(before as unknown as Json, version as unknown as Json);
}

function validateSchema(schema: JsonSchema, path: string, hasStatus: boolean): FieldError[] {
  const root = checkRoot(schema, path, hasStatus);
  const structural = checkStructural(schema, path);
  const keywords = checkKeywords(schema, path);
  const errors = [...root, ...structural, ...keywords];
  // Defaults are tried against a schema that is otherwise sound.
  return errors.length > 0 ? errors : checkDefaults(schema, path);
}

function validateDeprecation({ deprecated, deprecationWarning }: Version, field: string): FieldError[] {
  if (deprecationWarning === undefined) return [];
  const wrong = (detail: string) => invalid(field, deprecationWarning, detail);
  if (!deprecated) return [wrong('can only be set for deprecated versions')];
  if (deprecationWarning.length > 256) return [wrong('must be <= 256 characters long')];
  if (deprecationWarning === '') return [wrong('must not be an empty string')];
  const at = deprecationWarning.search(/\p{C}/u);
  if (at < 0) return [];
  return [wrong(`must only contain printable UTF-8 characters; non-printable character found at index ${at}`)];
}

function validateSubresources({ subresources }: Version, path: string): FieldError[] {
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

function validateSelectableFields(version: Version, schema: JsonSchema | undefined, path: string): FieldError[] {
  const paths = (version.selectableFields ?? []).map((field) => field.jsonPath);
  const errors = paths.flatMap((jsonPath, index) => {
    const field = `${path}[${index}].jsonPath`;
    if (!jsonPath) return [required(field)];
    const found = schemaAt(schema, jsonPath);
    if (!found) return [invalid(field, jsonPath, 'is an invalid path')];
    if (/^\.?metadata(\.|$)/.test(jsonPath)) return [invalid(field, jsonPath, 'must not point to fields in metadata')];
    if (!['string', 'boolean', 'integer'].includes(found.type ?? '')) {
      const detail =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
      return [invalid(field, jsonPath, detail)];
    }
    return paths.indexOf(jsonPath) < index ? [duplicate(field, jsonPath)] : [];
  });
  const count = new Set(paths).size;
  return count > MAX_SELECTABLE_FIELDS ? [...errors, tooMany(path, count, MAX_SELECTABLE_FIELDS)] : errors;
}

function schemaAt(schema: JsonSchema | undefined, path: string): JsonSchema | undefined {
  const names = path.split('.').slice(1);
  return names.length === 0 ? undefined : names.reduce((found, name) => found && childOf(found, name), schema);
}

/** `old`: what was there before; versions of which none was known then may go on so. */
function validateConversion(conversion: Conversion, old: Conversion): FieldError[] {
  const field = 'spec.conversion';
  if (!conversion) return [];
  const { strategy, webhook } = conversion;
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== 'Webhook') {
    const detail = 'should not be set when strategy is not set to Webhook';
    return [
      ...oneOf(`${field}.strategy`, strategy, ['None', 'Webhook']),
      ...(webhook?.clientConfig ? [forbidden(`${field}.webhookClientConfig`, detail)] : []),
      ...(versions.length > 0 ? [forbidden(`${field}.conversionReviewVersions`, detail)] : []),
    ];
  }
  const client = `${field}.webhookClientConfig`;
  const reviews = `${field}.conversionReviewVersions`;
  const needsKnown = isReviewed(old?.webhook?.conversionReviewVersions ?? []);
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
  if (stored.length === 0) return [invalid(field, stored, 'must have at least one stored version')];
  return stored.flatMap((name, index) => {
    if (spec.versions.some((version) => version.name === name)) return [];
    const detail = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    return [invalid(`${field}[${index}]`, name, detail)];
  });
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
