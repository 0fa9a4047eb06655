import type { FieldError } from '../../kind.ts';
import type { LabelSelector } from '../../types.ts';
import { all, duplicate, each, forbidden, invalid, named, oneOf, required, ruled, ruledIfGiven } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain, pathSegment, qualifiedName } from '../names.ts';
import { type OperationRule, validateOperationRule } from './rules.ts';

// What policies consist of, but for what their expressions mean.

/** Which requests a policy is for. */
export interface MatchResources {
  matchPolicy?: string;
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  resourceRules?: (OperationRule & { scope?: string })[];
  excludeResourceRules?: (OperationRule & { scope?: string })[];
}

export interface PolicyParts {
  readonly variables?: readonly { readonly name?: string; readonly expression?: string }[];
  readonly validations?: readonly {
    readonly expression?: string;
    readonly message?: string;
    readonly messageExpression?: string;
    readonly reason?: string;
  }[];
  readonly auditAnnotations?: readonly { readonly key?: string; readonly valueExpression?: string }[];
}

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];

export function validateMatchResources(match: MatchResources | undefined, field: string): FieldError[] {
  if (!match) return [];
  return all(
    oneOf(`${field}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact']),
    validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`),
    validateLabelSelector(match.objectSelector, `${field}.objectSelector`),
    each(match.resourceRules, `${field}.resourceRules`, validateOperationRule),
    each(match.excludeResourceRules, `${field}.excludeResourceRules`, validateOperationRule),
  );
}

export function validateVariables({ variables }: PolicyParts): FieldError[] {
  return each(variables, 'spec.variables', ({ name = '', expression }, at) =>
    all(
      name.trim() === '' && [required(`${at}.name`, 'name is not specified')],
      name.trim() !== '' &&
        !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && [invalid(`${at}.name`, name, 'must be a valid CEL identifier')],
      !expression?.trim() && [required(`${at}.expression`, 'expression is not specified')],
    ),
  );
}

export function validateValidations({ validations }: PolicyParts): FieldError[] {
  return each(validations, 'spec.validations', ({ expression, message, messageExpression, reason }, at) =>
    all(
      !expression?.trim() && [required(`${at}.expression`, 'expression is not specified')],
      validateFilled(messageExpression, `${at}.messageExpression`),
      validateFilled(message, `${at}.message`),
      /[\r\n]/.test(message?.trim() ?? '') && [invalid(`${at}.message`, message, 'must not contain line breaks')],
      reason !== undefined && oneOf(`${at}.reason`, reason, reasons),
    ),
  );
}

function validateFilled(text: string | undefined, field: string): FieldError[] {
  return text && text.trim() === '' ? [invalid(field, text, 'must be non-empty if specified')] : [];
}

/** Keys stand in the audit log behind the policy's name. */
export function validateAuditAnnotations({ auditAnnotations = [] }: PolicyParts, name: string): FieldError[] {
  return each(auditAnnotations, 'spec.auditAnnotations', ({ key = '', valueExpression }, at, i) =>
    all(
      ruled(`${at}.key`, `${name}/${key}`, qualifiedName),
      !valueExpression?.trim() && [required(`${at}.valueExpression`, 'valueExpression is not specified')],
      auditAnnotations.findIndex((other) => other.key === key) < i && [duplicate(`${at}.key`, key)],
    ),
  );
}

/** What a binding says of its policy. */
export interface BindingParts {
  readonly policyName?: string;
  readonly validationActions?: readonly string[];
  readonly matchResources?: MatchResources;
  readonly paramRef?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly selector?: LabelSelector;
    readonly parameterNotFoundAction?: string;
  };
}

export function validateBindingParts({ policyName, matchResources, paramRef }: BindingParts): FieldError[] {
  return all(
    named('spec.policyName', policyName, dnsSubdomain),
    paramRef && validateParamRef(paramRef, 'spec.paramRef'),
    validateMatchResources(matchResources, 'spec.matchResources'),
  );
}

function validateParamRef(
  { name, selector, parameterNotFoundAction }: NonNullable<BindingParts['paramRef']>,
  at: string,
) {
  const both = name && selector && 'name and selector are mutually exclusive';
  return all(
    ruledIfGiven(`${at}.name`, name, pathSegment),
    both && [forbidden(`${at}.name`, both)],
    validateLabelSelector(selector, `${at}.selector`),
    both && [forbidden(`${at}.selector`, both)],
    !name && !selector && [required(at, 'one of name or selector must be specified')],
    parameterNotFoundAction
      ? oneOf(`${at}.parameterNotFoundAction`, parameterNotFoundAction, ['Deny', 'Allow'])
      : [required(`${at}.parameterNotFoundAction`)],
  );
}

/** What becomes of a request that a policy does not let through. */
export function validateActions({ validationActions: actions = [] }: BindingParts): FieldError[] {
  const field = 'spec.validationActions';
  const twice =
    'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
  return all(
    each(actions, field, (action, at, i) =>
      all(oneOf(at, action, ['Audit', 'Deny', 'Warn']), actions.indexOf(action) < i && [duplicate(at, action)]),
    ),
    actions.includes('Deny') && actions.includes('Warn') && [invalid(field, actions, twice)],
    actions.length === 0 && [required(field, 'at least one validation action is required')],
  );
}
