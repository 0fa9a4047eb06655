import type { FieldError } from '../../kind.ts';
import type { Container, Job, JobSpec } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { validateDomainPath } from '../domain-path.ts';
import { humanDuration } from '../duration.ts';
import { invalid, notSupported, required, sameValue, tooLong } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsLabel } from '../names.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validatePodTemplate } from '../podspec/validate.ts';
import {
  containerColumns,
  selectorColumn,
  selectorInGo,
  unselected,
  validateNotNegative,
  validateSelectorMatches,
} from '../workload.ts';
import { validateIndexing, validateJobPolicies } from './job-policies.ts';

/** Labels that tie pods to one job; the short ones are what they were called at first. */
const uidLabels = ['batch.kubernetes.io/controller-uid', 'controller-uid'];
const nameLabels = ['batch.kubernetes.io/job-name', 'job-name'];
const counts = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;
const maxManagerBytes = 63;
const maxBackoffLimit = 2147483647;

export const job = defineKind<Job>({
  group: 'batch',
  kind: 'Job',
  plural: 'jobs',
  namespaced: true,
  categories: ['all'],
  orphansByDefault: true,
  hasStatus: true,
  initialStatus: {},
  generation: true,
  setDefaults(object) {
    const { spec } = object;
    if (!spec) return;
    setJobSpecDefaults(spec);
    const labels = spec.template?.metadata?.labels;
    if (object.metadata && Object.keys(object.metadata.labels ?? {}).length === 0 && labels) {
      object.metadata.labels = { ...labels };
    }
  },
  prepareForCreate: generateSelector,
  validate({ metadata, spec }, old): FieldError[] {
    return [
      ...validateJobSpec(spec, 'spec'),
      ...validateSelector(spec),
      ...(old ? [] : validateNew(metadata?.name, spec)),
      ...(spec && old?.spec ? validateUpdate(spec, old.spec, isAtRest(old)) : []),
    ];
  },
  fieldLabels: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  columns: [
    nameColumn,
    text('Status', statusOf, 'How far the job is.'),
    text('Completions', completions, 'Pods that ended well, of those wanted.'),
    text('Duration', duration, 'How long it took, or has been running.'),
    ageColumn,
    ...containerColumns<Job>(({ spec }) => spec?.template),
    selectorColumn<Job>(({ spec }) => spec?.selector),
  ],
});

/** Defaults of a job, also where it stands in a CronJob. */
export function setJobSpecDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.completionMode ??= 'NonIndexed';
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : maxBackoffLimit;
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const condition of rule.onPodConditions ?? []) condition.status ||= 'True';
  }
  setTemplateDefaults(spec.template);
}

/** A job's pods are known by its uid, unless its author chose the selector. */
function generateSelector(object: Job): void {
  delete object.status;
  const { spec, metadata } = object;
  if (!spec || spec.manualSelector || !metadata?.uid || !metadata.name) return;
  spec.template ??= {};
  spec.template.metadata ??= {};
  spec.template.metadata.labels ??= {};
  const { labels } = spec.template.metadata;
  for (const label of uidLabels) labels[label] = metadata.uid;
  for (const label of nameLabels) labels[label] ??= metadata.name;
  spec.selector ??= {};
  spec.selector.matchLabels = { ...spec.selector.matchLabels, [uidLabels[0]!]: metadata.uid };
}

/** What a job must hold, but for its selector, which a CronJob's template has none of. */
export function validateJobSpec(spec: JobSpec | undefined, field: string): FieldError[] {
  return [
    ...validateNotNegative(spec, counts, field),
    ...(spec ? validateManager(spec.managedBy, `${field}.managedBy`) : []),
    ...(spec ? validateIndexing(spec, field) : []),
    ...(spec ? validateJobPolicies(spec, field) : []),
    ...validatePodTemplate(spec?.template, `${field}.template`),
    ...validateRestartPolicy(spec, field),
  ];
}

/** Another controller than the built-in one is named by a path below a domain (KEP-4368). */
function validateManager(manager: string | undefined, field: string): FieldError[] {
  if (manager === undefined) return [];
  const tooMany = Buffer.byteLength(manager) > maxManagerBytes ? [tooLong(field, maxManagerBytes)] : [];
  return [...validateDomainPath(manager, field), ...tooMany];
}

/** A job's pods end: they are never restarted for ever. */
function validateRestartPolicy(spec: JobSpec | undefined, field: string): FieldError[] {
  const policy = spec?.template?.spec?.restartPolicy;
  const at = `${field}.template.spec.restartPolicy`;
  if (policy === undefined) return [required(at, 'valid values: "OnFailure", "Never"')];
  if (policy === 'Always') return [notSupported(at, policy, ['OnFailure', 'Never'])];
  if (policy === 'Never' || !spec?.podFailurePolicy) return [];
  return [invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')];
}

function validateSelector(spec: JobSpec | undefined): FieldError[] {
  if (!spec?.selector) return [required('spec.selector'), ...(spec ? [unselected(spec.template)] : [])];
  return [...validateLabelSelector(spec.selector, 'spec.selector'), ...validateSelectorMatches(spec)];
}

/** The selector is the one that was generated; the pods' hostnames, which end in their index, are labels. */
function validateNew(name: string | undefined, spec: JobSpec | undefined): FieldError[] {
  const errors = spec?.manualSelector ? [] : validateSelectorMatches(spec);
  const hostname = `${name}-${(spec?.completions ?? 0) - 1}`;
  const isNamed = spec?.completionMode === 'Indexed' && (spec.completions ?? 0) > 0;
  return [
    ...errors.map(() => invalid('spec.selector', selectorInGo(spec?.selector), '`selector` not auto-generated')),
    ...(isNamed && dnsLabel(hostname)
      ? [invalid('metadata.name', name ?? '', `will not able to create pod with invalid DNS label: ${hostname}`)]
      : []),
  ];
}

function validateUpdate(spec: JobSpec, old: JobSpec, wasAtRest: boolean): FieldError[] {
  const fixed = [
    'selector',
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const;
  const errors = fixed
    .filter((key) => !sameValue(spec[key], old[key]))
    .map((key) => invalid(`spec.${key}`, spec[key], 'field is immutable'));
  if (!completionsMayChange(spec, old))
    errors.push(invalid('spec.completions', spec.completions, 'field is immutable'));
  const fixedOf = ({ template }: JobSpec) => (wasAtRest ? withoutWishes(template) : template);
  if (!sameValue(fixedOf(spec), fixedOf(old))) {
    errors.push(invalid('spec.template', spec.template, 'field is immutable'));
  }
  return errors;
}

/** An indexed job may be made larger or smaller together with its parallelism. */
function completionsMayChange(spec: JobSpec, old: JobSpec): boolean {
  if (spec.completions === old.completions) return true;
  return spec.completionMode === 'Indexed' && spec.completions !== undefined && spec.completions === spec.parallelism;
}

/** Suspended, and none of its pods is left that ran by what its template said. */
function isAtRest({ spec, status }: Job): boolean {
  if (!spec?.suspend || (status?.active ?? 0) > 0) return false;
  const isSuspended = status?.conditions?.some((one) => one.type === 'Suspended' && one.status === 'True');
  return status?.startTime === undefined || isSuspended === true;
}

/** A template without what may still be said of pods to come: where they may stand, and what their containers ask for. */
function withoutWishes({ spec }: JobSpec['template']): JobSpec['template'] {
  if (!spec) return {};
  const { nodeSelector, tolerations, schedulingGates, affinity, ...rest } = spec;
  const { nodeAffinity, ...others } = affinity ?? {};
  return {
    spec: {
      ...rest,
      containers: rest.containers.map(withoutResources),
      initContainers: rest.initContainers?.map(withoutResources),
      affinity: Object.keys(others).length > 0 ? others : undefined,
    },
  };
}

const withoutResources = ({ resources, ...rest }: Container): Container => rest;

function statusOf(object: Job): string {
  const has = (type: string) =>
    object.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
  const ended = ['Complete', 'Failed'].find(has);
  if (ended) return ended;
  if (object.metadata?.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(has) ?? 'Running';
}

function completions({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

function duration({ status }: Job, now: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now;
  return humanDuration(end - Date.parse(status.startTime));
}
