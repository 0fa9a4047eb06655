import type { FieldError } from '../../kind.ts';
import type { Container, Job, JobSpec, Labels } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { validateDomainPath } from '../domain-path.ts';
import { humanDuration } from '../duration.ts';
import { invalid, notSupported, required, sameValue, tooLong, unchanged } from '../errors.ts';
import { selectorMatches, validateLabelSelector } from '../label-selector.ts';
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
import { validateJobStatus } from './job-status.ts';

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
    object.spec ??= { template: {} };
    const { spec } = object;
    setJobSpecDefaults(spec);
    spec.manualSelector ??= false;
    const labels = spec.template?.metadata?.labels;
    if (object.metadata && Object.keys(object.metadata.labels ?? {}).length === 0 && labels) {
      object.metadata.labels = { ...labels };
    }
  },
  prepareForCreate: generateSelector,
  validate(object, old, subresource): FieldError[] {
    if (subresource === 'status' && old) return validateJobStatus(object, old);
    const { metadata, spec } = object;
    return [
      ...validateJobSpec(spec, 'spec'),
      ...validateSelector(spec),
      ...validateGenerated(object, old),
      ...validateHostname(metadata?.name, spec),
      ...(old?.spec ? validateUpdate(spec ?? { template: {} }, old.spec, isAtRest(old)) : []),
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

function setJobSpecDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.completionMode ??= 'NonIndexed';
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : maxBackoffLimit;
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  setJobTemplateDefaults(spec);
}

/** Defaults of a job where it stands in a CronJob. */
export function setJobTemplateDefaults(spec: JobSpec): void {
  spec.template ??= {};
  spec.template.spec ??= { containers: [] };
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
  if (!policy || policy === 'Always') return [required(at, 'valid values: "OnFailure", "Never"')];
  if (policy !== 'OnFailure' && policy !== 'Never') return [notSupported(at, policy, ['OnFailure', 'Never'])];
  if (policy === 'Never' || !spec?.podFailurePolicy) return [];
  return [invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')];
}

function validateSelector(spec: JobSpec | undefined): FieldError[] {
  if (!spec?.selector) return [required('spec.selector'), ...(spec ? [unselected(spec.template)] : [])];
  return [...validateLabelSelector(spec.selector, 'spec.selector'), ...validateSelectorMatches(spec)];
}

/** A selector that nobody chose is the one that was generated, and so are the labels that it finds. */
function validateGenerated({ metadata, spec }: Job, old: Job | undefined): FieldError[] {
  if (!spec?.selector || spec.manualSelector) return [];
  const before = old?.spec?.template?.metadata?.labels;
  // Jobs are older than the long names.
  const hasLong = !old || [uidLabels[0]!, nameLabels[0]!].every((label) => before?.[label] !== undefined);
  const [uid = '', name = ''] = [metadata?.uid, metadata?.name];
  const wanted: Labels = Object.fromEntries(
    [uidLabels, nameLabels].flatMap(([long, short], i) =>
      (hasLong ? [short, long] : [short]).map((label) => [label, i === 0 ? uid : name]),
    ),
  );
  const isOurs = validateLabelSelector(spec.selector, '').length > 0 || selectorMatches(spec.selector, wanted);
  return [
    ...Object.entries(wanted).flatMap(([label, value]) => validateLabel(spec.template?.metadata?.labels, label, value)),
    ...(isOurs ? [] : [invalid('spec.selector', selectorInGo(spec.selector), '`selector` not auto-generated')]),
  ];
}

function validateLabel(labels: Labels | undefined, label: string, value: string): FieldError[] {
  if (labels?.[label] === value) return [];
  const field = `spec.template.metadata.labels[${label}]`;
  const detail = `must be '${value}'`;
  return labels?.[label] === undefined ? [required(field, detail)] : [invalid(field, labels, detail)];
}

/** The hostnames of indexed pods, which end in their index, are labels. */
function validateHostname(name: string | undefined, spec: JobSpec | undefined): FieldError[] {
  const hostname = `${name}-${(spec?.completions ?? 0) - 1}`;
  const isNamed = spec?.completionMode === 'Indexed' && (spec.completions ?? 0) > 0;
  if (!isNamed || !dnsLabel(hostname)) return [];
  return [invalid('metadata.name', name ?? '', `will not able to create pod with invalid DNS label: ${hostname}`)];
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
  errors.push(...validateCompletions(spec, old));
  return [...errors, ...validateTemplateUpdate(spec, old, wasAtRest)];
}

/** An indexed job may be made larger or smaller together with its parallelism. */
function validateCompletions({ completions, completionMode, parallelism }: JobSpec, old: JobSpec): FieldError[] {
  if (completionMode !== 'Indexed') return unchanged('spec.completions', completions, old.completions);
  if (completions === undefined || completions === old.completions || completions === parallelism) return [];
  return [invalid('spec.completions', completions, 'can only be modified in tandem with spec.parallelism')];
}

function validateTemplateUpdate({ template }: JobSpec, old: JobSpec, wasAtRest: boolean): FieldError[] {
  if (!wasAtRest) return unchanged('spec.template', template, old.template);
  if (sameValue(withoutWishes(template), withoutWishes(old.template))) return [];
  return [invalid('spec.template.spec', template?.spec, 'field is immutable')];
}

/** Suspended, and none of its pods is left that ran by what its template said. */
function isAtRest({ spec, status }: Job): boolean {
  if (!spec?.suspend || (status?.active ?? 0) > 0) return false;
  const isSuspended = status?.conditions?.some((one) => one.type === 'Suspended' && one.status === 'True');
  return status?.startTime === undefined || isSuspended === true;
}

/** A template without what may still be said of pods to come: where they may stand, and what their containers ask for. */
function withoutWishes({ spec }: JobSpec['template'] = {}): JobSpec['template'] {
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
