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

interface Words {
  /** What an empty selector is wrong for. */
  readonly name: string;
  /** Who does not support a deadline. */
  readonly stays: string;
  /** What is said of a selector as a whole that has wrong parts; its template is then not looked at. */
  readonly unreadable?: string;
  /** Kubernetes never came to ask it of a DaemonSet. */
  readonly selectorMayMiss?: boolean;
}

const words = {
  DaemonSet: { name: 'daemonset', stays: 'DaemonSet', selectorMayMiss: true },
  ReplicaSet: { name: 'deployment', stays: 'ReplicaSet', unreadable: 'invalid label selector' },
  StatefulSet: { name: 'statefulset', stays: 'StatefulSet', unreadable: '' },
} as const satisfies Record<string, Words>;

/**
 * A selector that says something, selects the template's own pods and never changes; a template that may stay.
 * `kind` is the one whose words are used: a Deployment has a ReplicaSet's.
 */
export function validateWorkload(
  spec: WorkloadSpec | undefined,
  old: WorkloadSpec | undefined,
  kind: keyof typeof words = 'ReplicaSet',
): FieldError[] {
  const own: Words = words[kind];
  const wrongParts = validateLabelSelector(spec?.selector, 'spec.selector');
  const isUnreadable = wrongParts.length > 0 && own.unreadable !== undefined;
  return [
    ...wrongParts,
    ...validateSelector(spec?.selector, 'spec.selector', own),
    ...(isUnreadable ? [unreadable(spec?.selector, own.unreadable)] : validateTemplate(spec, own)),
    ...(old ? unchanged('spec.selector', spec?.selector, old.selector) : []),
  ];
}

function validateTemplate(spec: WorkloadSpec | undefined, { stays }: Words): FieldError[] {
  return [
    // Where there is no selector, nothing is selected: Kubernetes says both.
    ...(spec?.selector ? validateSelectorMatches(spec) : [unselected(spec?.template)]),
    ...validatePodTemplate(spec?.template, 'spec.template'),
    ...validateTemplateStays(spec?.template, stays),
  ];
}

function validateSelector(selector: LabelSelector | undefined, field: string, own: Words): FieldError[] {
  if (!selector) return own.selectorMayMiss ? [] : [required(field)];
  if (!isEmptySelector(selector)) return [];
  return [invalid(field, selectorInGo(selector), `empty selector is invalid for ${own.name}`)];
}

function unreadable(selector: LabelSelector | undefined, detail: string | undefined): FieldError {
  const error = invalid('spec.selector', selectorInGo(selector), detail ?? '');
  return detail ? error : { ...error, message: error.message.replace(/: $/, '') };
}

/** A selector as Go's JSON shows it: without what is empty, in the order of its fields. */
export function selectorInGo({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): object {
  const sorted = Object.entries(matchLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = matchExpressions.map(({ key = '', operator = '', values = [] }) => ({
    key,
    operator,
    ...(values.length > 0 ? { values } : {}),
  }));
  return {
    ...(sorted.length > 0 ? { matchLabels: Object.fromEntries(sorted) } : {}),
    ...(expressions.length > 0 ? { matchExpressions: expressions } : {}),
  };
}

/** An error where a selector that is valid does not select the template's pods. */
export function validateSelectorMatches(spec: WorkloadSpec | undefined): FieldError[] {
  const { selector, template } = spec ?? {};
  if (!selector || isEmptySelector(selector) || validateLabelSelector(selector, '').length > 0) return [];
  return selectorMatches(selector, template?.metadata?.labels) ? [] : [unselected(template)];
}

/** The error of a template whose pods the selector does not find. */
export function unselected(template: PodTemplateSpec | undefined): FieldError {
  const labels = template?.metadata?.labels ?? null;
  return invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
}

/** A template of pods that are kept: they start again, and have no end. */
export function validateTemplateStays(template: PodTemplateSpec | undefined, stays: string): FieldError[] {
  const policy = template?.spec?.restartPolicy;
  const errors: FieldError[] = [];
  if (policy && policy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']));
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    errors.push(
      forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${stays} is not Supported`),
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

/** Whether it comes to nothing: `0`, `0%`, not there, or a text without a number. */
export function isZero(value: unknown): boolean {
  return Number(/^([+-]?\d+)%?$/.exec(String(value))?.[1] ?? 0) === 0;
}

/** How pods are replaced, as Go's JSON shows it in messages. */
export function strategyInGo({
  type,
  rollingUpdate,
}: {
  type?: string;
  rollingUpdate?: { maxUnavailable?: unknown; maxSurge?: unknown };
}): object {
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  return { Type: type, RollingUpdate: rollingUpdate ? { MaxUnavailable: maxUnavailable, MaxSurge: maxSurge } : null };
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
