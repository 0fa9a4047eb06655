import type { FieldError } from '../../kind.ts';
import type { KubeObject } from '../../types.ts';
import { ageColumn, integer, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { all, duplicate, each, invalid, oneOf, required, ruled } from '../errors.ts';
import { qualifiedName } from '../names.ts';
import { validateConditions } from '../status.ts';
import { type PlacedExpression, wrongExpressions } from './expressions.ts';
import { paramKindText } from './params.ts';
import { type PolicySpec, policyExpressions, setPolicyDefaults, validatePolicy } from './policies.ts';

interface Validation {
  readonly expression?: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
}

interface AuditAnnotation {
  readonly key?: string;
  readonly valueExpression?: string;
}

interface Policy extends KubeObject {
  spec?: PolicySpec & {
    validations?: readonly Validation[];
    auditAnnotations?: readonly AuditAnnotation[];
  };
  status?: { conditions?: readonly object[] };
}

export const validatingAdmissionPolicy = defineKind<Policy>({
  group: 'admissionregistration.k8s.io',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
  keptByStatus: allMetadata,
  needsVersion: true,
  categories: ['api-extensions'],
  hasStatus: true,
  generation: true,
  setDefaults: setPolicyDefaults,
  validate(policy, old, subresource) {
    if (subresource === 'status') return validateConditions(policy.status?.conditions, 'status.conditions');
    return all(validatePolicy(policy, old), validateOutcome(policy));
  },
  async validateRules(policy, old, subresource) {
    if (subresource === 'status') return [];
    const { paramKind, variables = [] } = policy.spec ?? {};
    const expressions = [...policyExpressions(policy, old), ...outcomeExpressions(policy)];
    return wrongExpressions(expressions, { params: paramKind !== undefined, variables: variables.length > 0 });
  },
  columns: [
    nameColumn,
    integer('Validations', ({ spec }) => (spec?.validations ?? []).length, 'How many rules it has.'),
    text('ParamKind', ({ spec }) => paramKindText(spec?.paramKind), 'What its parameters are.'),
    ageColumn,
  ],
});

const MAX_ANNOTATIONS = 20;
const MAX_VALUE_EXPRESSION = 5 * 1024;

/** What comes of a request: validations and audit annotations. */
function validateOutcome({ metadata, spec = {} }: Policy): FieldError[] {
  const { validations = [], auditAnnotations = [] } = spec;
  const field = 'spec.auditAnnotations';
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const detail = 'validations or auditAnnotations must contain at least one item';
    return [required('spec.validations', detail), required(field, detail)];
  }
  return all(
    each(validations, 'spec.validations', validateValidation),
    auditAnnotations.length > MAX_ANNOTATIONS && [
      invalid(field, auditAnnotations, `must not have more than ${MAX_ANNOTATIONS} auditAnnotations`),
    ],
    each(auditAnnotations, field, (annotation, path, index) =>
      all(
        validateAnnotation(annotation, path, metadata?.name),
        auditAnnotations.findIndex(({ key }) => key === annotation.key) < index && [
          duplicate(`${path}.key`, annotation.key ?? ''),
        ],
      ),
    ),
  );
}

function validateValidation({ expression, message, messageExpression, reason }: Validation, field: string) {
  const blank = (name: string, value: string | undefined): FieldError[] | false =>
    value !== undefined &&
    value !== '' &&
    value.trim() === '' && [invalid(`${field}.${name}`, value, 'must be non-empty if specified')];
  return all(
    !expression?.trim() && [required(`${field}.expression`, 'expression is not specified')],
    blank('messageExpression', messageExpression),
    blank('message', message),
    message && /[\n\r]/.test(message.trim()) && [invalid(`${field}.message`, message, 'must not contain line breaks')],
    reason !== undefined && oneOf(`${field}.reason`, reason, ['Forbidden', 'Invalid', 'RequestEntityTooLarge']),
  );
}

/** Its key in the audit log has the policy's name before it. */
function validateAnnotation(
  { key = '', valueExpression = '' }: AuditAnnotation,
  field: string,
  policy: string | undefined,
): FieldError[] {
  const expression = valueExpression.trim();
  return all(
    policy
      ? ruled(`${field}.key`, `${policy}/${key}`, qualifiedName)
      : [invalid(`${field}.key`, key, 'requires metadata.name be non-empty')],
    expression === '' && [required(`${field}.valueExpression`, 'valueExpression is not specified')],
    isTooLong(expression) && [
      required(`${field}.valueExpression`, `must not exceed ${MAX_VALUE_EXPRESSION} bytes in length`),
    ],
  );
}

function isTooLong(expression: string): boolean {
  return Buffer.byteLength(expression) > MAX_VALUE_EXPRESSION;
}

function outcomeExpressions({ spec = {} }: Policy): PlacedExpression[] {
  const { validations = [], auditAnnotations = [] } = spec;
  return [
    ...validations.flatMap(({ expression, messageExpression }, index): PlacedExpression[] => [
      { field: `spec.validations[${index}].expression`, source: expression, place: 'validation' },
      { field: `spec.validations[${index}].messageExpression`, source: messageExpression, place: 'message' },
    ]),
    ...auditAnnotations.map(
      ({ valueExpression = '' }, index): PlacedExpression => ({
        field: `spec.auditAnnotations[${index}].valueExpression`,
        source: isTooLong(valueExpression.trim()) ? undefined : valueExpression,
        place: 'auditAnnotation',
      }),
    ),
  ];
}
