import { compileLabelSelector } from '../api/selectors.ts';
import type { LabelSelector, Labels } from '../api/types.ts';

/** Whether labels match a LabelSelector. An empty selector matches everything, as in Kubernetes. */
export function matchesSelector(selector: LabelSelector, labels: Labels = {}): boolean {
  return compileLabelSelector(selector).matches(labels);
}

/** Whether all of `wanted` are among `labels`. */
export function matchesLabels(wanted: Labels, labels: Labels = {}): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

export const isEmptySelector = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;

/** A selector as Kubernetes' messages have it: Go's form of the value. */
export function selectorAsGo(selector: LabelSelector | undefined): string {
  if (!selector) return 'nil';
  const labels = Object.entries(selector.matchLabels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`);
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
