import { KnitError } from '../base/errors.ts';
import { compareIntegers } from './integers.ts';
import { parseRequirements } from './label-selector-parser.ts';
import type { LabelSelector, Labels } from './types.ts';

export { type FieldSelection, parseFieldSelector } from './field-selectors.ts';
export { compileNodeSelector, compileNodeSelectorTerm, type NodeMatcher } from './node-selectors.ts';

export type LabelMatcher = (labels: Labels | undefined) => boolean;

/** The operators of selector strings (k8s.io/apimachinery/pkg/selection). */
export type Operator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  /** Sorted. One for `=` and `!=`, none for `exists` and `!`, a whole number for `gt` and `lt`. */
  readonly values: readonly string[];
}

/** A label selector, ready to be asked. */
export interface LabelSelection {
  readonly matches: LabelMatcher;
  /** In order of their keys; all must hold. None: everything is selected. */
  readonly requirements: readonly Requirement[];
  /** What an index can answer: labels that must have exactly this value. */
  readonly equalities: Labels;
}

/** Selects everything. */
export const everything: LabelSelection = compileRequirements([]);

/** Selects nothing, as a selector that is not there does. */
export const nothing: LabelSelection = { matches: () => false, requirements: [], equalities: {} };

/**
 * Compiles a selector string: `a=b,c in (d,e),!f,g!=h,i,j>5`. An empty one selects everything.
 *
 * @throws KnitError `BAD_LABEL_SELECTOR`, in the words of Kubernetes' parser
 */
export function parseLabelSelector(text: string): LabelSelection {
  return text === '' ? everything : compileRequirements(parseRequirements(text));
}

/**
 * Compiles a LabelSelector object. One that is not there selects nothing, an empty one everything.
 *
 * @throws KnitError `BAD_LABEL_SELECTOR` for an unknown operator
 */
export function compileLabelSelector(selector: LabelSelector | null | undefined): LabelSelection {
  if (!selector) return nothing;
  return compileRequirements([
    ...equalityRequirements(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values }) => fromExpression(key, operator, values)),
  ]);
}

/** Compiles the plain map of a Service or ReplicationController. One that is not there or empty selects nothing. */
export function compileLabels(labels: Labels | null | undefined): LabelSelection {
  const requirements = equalityRequirements(labels ?? {});
  return requirements.length === 0 ? nothing : compileRequirements(requirements);
}

/** A selection or LabelSelector as a string that {@link parseLabelSelector} reads again; `''` for everything. */
export function formatLabelSelector(selector: LabelSelection | LabelSelector): string {
  const selection = 'matches' in selector ? selector : compileLabelSelector(selector);
  return selection.requirements.map(formatRequirement).join(',');
}

function equalityRequirements(labels: Labels): Requirement[] {
  return Object.entries(labels).map(([key, value]) => ({ key, operator: '=', values: [value] }));
}

function compileRequirements(unordered: readonly Requirement[]): LabelSelection {
  const requirements = unordered.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const tests = requirements.map(compileRequirement);
  const equalities: Record<string, string> = {};
  for (const { key, operator, values } of requirements) {
    if (values.length === 1 && (operator === '=' || operator === 'in')) equalities[key] = values[0]!;
  }
  return {
    matches: (labels) => tests.every((test) => test(labels)),
    requirements,
    equalities,
  };
}

function compileRequirement({ key, operator, values }: Requirement): LabelMatcher {
  const valueIn = (labels: Labels | undefined) => {
    const value = labels?.[key];
    return value !== undefined && values.includes(value);
  };
  switch (operator) {
    case '=':
      return (labels) => labels?.[key] === values[0];
    case 'in':
      return valueIn;
    case '!=':
    case 'notin':
      return (labels) => !valueIn(labels);
    case 'exists':
      return (labels) => labels?.[key] !== undefined;
    case '!':
      return (labels) => labels?.[key] === undefined;
    case 'gt':
      return (labels) => compareIntegers(labels?.[key], values[0]) > 0;
    case 'lt':
      return (labels) => compareIntegers(labels?.[key], values[0]) < 0;
  }
}

function fromExpression(key: string, operator: string, values: readonly string[] = []): Requirement {
  const sorted = values.toSorted();
  switch (operator) {
    case 'In':
      return { key, operator: 'in', values: sorted };
    case 'NotIn':
      return { key, operator: 'notin', values: sorted };
    case 'Exists':
      return { key, operator: 'exists', values: [] };
    case 'DoesNotExist':
      return { key, operator: '!', values: [] };
    default:
      throw new KnitError(
        'BAD_LABEL_SELECTOR',
        `${JSON.stringify(operator)} is not a valid label selector operator`,
        'use In, NotIn, Exists or DoesNotExist',
      );
  }
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case '=':
    case '!=':
      return `${key}${operator}${values[0]}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'gt':
      return `${key}>${values[0]}`;
    case 'lt':
      return `${key}<${values[0]}`;
  }
}
