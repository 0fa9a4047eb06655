import type { Column, FieldError } from '../kind.ts';
import type { LabelSelector, PodTemplateSpec } from '../types.ts';
import { text, wide } from './columns.ts';
import { forbidden, invalid, notSupported, required, unchanged } from './errors.ts';
import { formatLabelSelector, isEmptySelector, selectorMatches, validateLabelSelector } from './label-selector.ts';
import { validatePodTemplate } from './podspec/validate.ts';

/** What the kinds that keep pods from a template have in common. */
export interface WorkloadSpec {
  selector?: LabelSelector;
  template?: PodTemplateSpec;
}

/**
 * A selector that says something, selects the template's own pods and never changes; a template that may stay.
 * `name` is what messages call the kind.
 */
export function validateWorkload(
  spec: WorkloadSpec | undefined,
  old: WorkloadSpec | undefined,
  name = 'deployment',
): FieldError[] {
  return [
    ...validateSelector(spec?.selector, 'spec.selector', name),
    // Where there is no selector, nothing is selected: Kubernetes says both.
    ...(spec?.selector ? validateSelectorMatches(spec) : [unselected(spec?.template)]),
    ...validatePodTemplate(spec?.template, 'spec.template'),
    ...validateTemplateStays(spec?.template),
    ...(old ? unchanged('spec.selector', spec?.selector, old.selector) : []),
  ];
}

function validateSelector(selector: LabelSelector | undefined, field: string, name: string): FieldError[] {
  if (!selector) return [required(field)];
  if (!isEmptySelector(selector)) return validateLabelSelector(selector, field);
  return [invalid(field, selector, `empty selector is invalid for ${name}`)];
}

/** An error where a selector that is valid does not select the template's pods. */
export function validateSelectorMatches(spec: WorkloadSpec | undefined): FieldError[] {
  const { selector, template } = spec ?? {};
  if (!selector || isEmptySelector(selector) || validateLabelSelector(selector, '').length > 0) return [];
  return selectorMatches(selector, template?.metadata?.labels) ? [] : [unselected(template)];
}

function unselected(template: PodTemplateSpec | undefined): FieldError {
  const labels = template?.metadata?.labels ?? null;
  return invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
}

function validateTemplateStays(template: PodTemplateSpec | undefined): FieldError[] {
  const policy = template?.spec?.restartPolicy;
  const errors: FieldError[] = [];
  if (policy && policy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']));
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    errors.push(
      forbidden('spec.template.spec.activeDeadlineSeconds', 'activeDeadlineSeconds in ReplicaSet is not Supported'),
    );
  }
  return errors;
}

/** An error for each of `keys` that is below zero. */
export function validateNotNegative<T extends object>(
  spec: T | undefined,
  keys: readonly (keyof T & string)[],
  field = 'spec',
): FieldError[] {
  return keys.flatMap((key) => {
    const value = spec?.[key];
    if (typeof value !== 'number' || value >= 0) return [];
    return [invalid(`${field}.${key}`, value, 'must be greater than or equal to 0')];
  });
}

const percentage = /^(\d+)%$/;

/** A number or a share (`25%`), neither negative, the share at most 100 %. */
export function validateIntOrPercent(value: unknown, field: string): FieldError[] {
  if (typeof value === 'number') {
    return value >= 0 ? [] : [invalid(field, value, 'must be greater than or equal to 0')];
  }
  const [, share] = percentage.exec(String(value)) ?? [];
  if (share === undefined) {
    const detail =
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    return [invalid(field, value, detail)];
  }
  return Number(share) > 100 ? [invalid(field, value, 'must not be greater than 100%')] : [];
}

/** Whether it comes to nothing: `0`, `0%`, or not there. */
export function isZero(value: unknown): boolean {
  return value === undefined || value === 0 || /^0+%$/.test(String(value));
}

/** With `-o wide`: names and images of the template's containers. */
export function containerColumns<T>(templateOf: (object: T) => PodTemplateSpec | undefined): Column<T>[] {
  const containers = (object: T) => templateOf(object)?.spec?.containers ?? [];
  return [
    wide(text('Containers', (one: T) => join(containers(one).map(({ name }) => name)), 'Names of the containers.')),
    wide(
      text('Images', (one: T) => join(containers(one).map(({ image }) => image ?? '')), 'Images of the containers.'),
    ),
  ];
}

/** With `-o wide`: the label selector. */
export function selectorColumn<T>(selectorOf: (object: T) => LabelSelector | undefined): Column<T> {
  return wide(
    text('Selector', (one: T) => formatLabelSelector(selectorOf(one)), 'Labels of the pods that belong to it.'),
  );
}

function join(parts: readonly string[]): string {
  return parts.join(',');
}
