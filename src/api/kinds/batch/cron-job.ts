import type { FieldError } from '../../kind.ts';
import type { CronJob } from '../../types.ts';
import { ageColumn, boolean, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { ageOf } from '../duration.ts';
import { invalid, oneOf, required } from '../errors.ts';
import { dnsSubdomain } from '../names.ts';
import { containerColumns, selectorColumn, validateNotNegative } from '../workload.ts';
import { setJobTemplateDefaults, validateJobSpec } from './job.ts';
import { scheduleError } from './schedule.ts';

/** A job's name is this one, a hyphen and ten digits, and must fit a label. */
const maxNameBytes = 52;

export const cronJob = defineKind<CronJob>({
  group: 'batch',
  kind: 'CronJob',
  plural: 'cronjobs',
  namespaced: true,
  shortNames: ['cj'],
  categories: ['all'],
  hasStatus: true,
  initialStatus: {},
  generation: true,
  nameRule: dnsSubdomain,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    // All else is given to its jobs when they are made.
    if (spec.jobTemplate?.spec) setJobTemplateDefaults(spec.jobTemplate.spec);
  },
  validate({ metadata, spec }, old): FieldError[] {
    return [
      ...(old ? [] : validateNameLength(metadata?.name ?? '')),
      ...validateSchedule(spec?.schedule),
      ...validateTimeZone(spec?.timeZone),
      ...validateNotNegative(spec, ['startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit']),
      ...(spec ? oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']) : []),
      ...validateJobSpec(spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'),
    ];
  },
  columns: [
    nameColumn,
    text('Schedule', ({ spec }) => spec?.schedule ?? '', 'When it runs, as cron writes it.'),
    text('Timezone', ({ spec }) => spec?.timeZone ?? '<none>', 'Whose clock that is.'),
    boolean('Suspend', ({ spec }) => formatSuspend(spec?.suspend), 'Whether it waits.'),
    integer('Active', ({ status }) => (status?.active ?? []).length, 'Jobs that are running.'),
    text('Last Schedule', lastSchedule, 'When it last ran.'),
    ageColumn,
    ...containerColumns<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.template),
    selectorColumn<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.selector),
  ],
});

function validateNameLength(name: string): FieldError[] {
  if (Buffer.byteLength(name) <= maxNameBytes) return [];
  return [invalid('metadata.name', name, `must be no more than ${maxNameBytes} characters`)];
}

function validateSchedule(schedule: string | undefined): FieldError[] {
  if (!schedule) return [required('spec.schedule')];
  const wrong = scheduleError(schedule);
  if (wrong) return [invalid('spec.schedule', schedule, wrong)];
  if (!schedule.includes('TZ')) return [];
  return [invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone instead')];
}

function validateTimeZone(zone: string | undefined): FieldError[] {
  if (zone === undefined) return [];
  if (zone === '') return [invalid('spec.timeZone', zone, 'timeZone must be nil or non-empty string')];
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return [];
  } catch (error) {
    if (error instanceof RangeError) return [invalid('spec.timeZone', zone, `unknown time zone ${zone}`)];
    throw error;
  }
}

function formatSuspend(suspend: boolean | undefined): string {
  if (suspend === undefined) return '<unset>';
  return suspend ? 'True' : 'False';
}

function lastSchedule({ status }: CronJob, now: number): string {
  return status?.lastScheduleTime ? ageOf(status.lastScheduleTime, now) : '<none>';
}
