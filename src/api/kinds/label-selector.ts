import type { FieldError } from '../kind.ts';
import { compileLabelSelector, formatLabelSelector as selectorText } from '../selectors.ts';
import type { LabelSelector, Labels } from '../types.ts';
import { all, each, forbidden, invalid, required, ruled } from './errors.ts';
import { validateLabels } from './metadata.ts';
import { labelValue, qualifiedName } from './names.ts';

type Requirement = { key: string; operator: string; values?: string[] };

/** A label selector as it stands in specifications. */
export function validateLabelSelector(selector: LabelSelector | undefined, field: string): FieldError[] {
  return all(
    validateLabels(selector?.matchLabels, `${field}.matchLabels`),
    each(selector?.matchExpressions, `${field}.matchExpressions`, validateRequirement),
  );
}

function validateRequirement(requirement: Requirement, field: string): FieldError[] {
  return all(
    validateOperator(requirement, field),
    ruled(`${field}.key`, requirement.key ?? '', qualifiedName),
    each(requirement.values, `${field}.values`, validateLabelValue),
  );
}

export function validateLabelValue(value: string, field: string): FieldError[] {
  return ruled(field, value, labelValue);
}

/** The operators that selectors of labels and of nodes share. */
export function validateOperator({ operator, values = [] }: Requirement, field: string): FieldError[] {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length > 0) return [];
      return [required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
    case 'Exists':
    case 'DoesNotExist':
      if (values.length === 0) return [];
      return [forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")];
    default:
      return [invalid(`${field}.operator`, operator ?? '', 'not a valid selector operator')];
  }
}

/** Whether it selects whatever there is. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  const { matchLabels, matchExpressions } = selector ?? {};
  return Object.keys(matchLabels ?? {}).length === 0 && (matchExpressions ?? []).length === 0;
}

/** Whether `labels` have what the selector asks for. It is known to be valid. */
export function selectorMatches(selector: LabelSelector, labels: Labels | undefined): boolean {
  return compileLabelSelector(selector).matches(labels);
}

/** A selector as a cell: `app=web,tier in (a,b),!old`, `<none>` where it selects everything. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  return (selector && selectorText(selector)) || '<none>';
}

/** A selector as Go prints one that nobody has given a form of its own. */
export function selectorInGoText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key]},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  const all = `MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}}`;
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},${all},}`;
}

/** Labels as a cell: `a=1,b=2` in order of their keys. */
export function formatLabels(labels: Labels | undefined): string {
  const parts = Object.keys(labels ?? {})
    .sort()
    .map((key) => `${key}=${labels?.[key]}`);
  return parts.join(',') || '<none>';
}
