import { Cron } from 'croner';

/** When a CronJob runs. */
export interface Schedule {
  /** The first time after this one; `undefined` where it never comes (30 February). */
  next(after: Date): Date | undefined;
}

/** Seconds of Go's units, `@every 1h30m`. */
const unitSeconds: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

/** The last value of minute, hour, day of month, month and day of week. */
const lastValues = [59, 23, 31, 12, 6];

/**
 * Reads a schedule as Kubernetes does (robfig/cron, standard parser): five fields, `@daily` and the like, `@every 5m`.
 * Without a time zone it is that of this process.
 *
 * @throws Error for what is no schedule, or no time zone
 */
export function parseSchedule(text: string, timeZone?: string): Schedule {
  const every = /^@every (.+)$/.exec(text);
  if (every) return everyPeriod(every[1] ?? '');
  const cron = new Cron(text.startsWith('@') ? text : plainFields(text), { timezone: timeZone, paused: true });
  return { next: (after) => cron.nextRun(after) ?? undefined };
}

function everyPeriod(text: string): Schedule {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitSeconds[unit ?? ''] ?? 0), 0);
  const whole = Math.max(1, Math.floor(seconds));
  return { next: (after) => new Date((Math.floor(after.getTime() / 1000) + whole) * 1000) };
}

/** `?` means any, and `3/5` every fifth from 3 on. */
function plainFields(text: string): string {
  const fields = text.trim().split(/\s+/);
  const parts = fields.map((field, at) =>
    field
      .replaceAll('?', '*')
      .split(',')
      .map((part) => part.replace(/^(\w+)\/(\d+)$/, `$1-${lastValues[at]}/$2`))
      .join(','),
  );
  return parts.join(' ');
}

/** More missed times than this are too many to be counted. */
const TOO_MANY = 100;

export interface Missed {
  /** The last time not after now, `undefined` where none was missed. */
  readonly last: Date | undefined;
  readonly tooMany: boolean;
}

/** What of a schedule was missed after `since` and until `now`. */
export function missedTimes(schedule: Schedule, since: Date, now: Date): Missed {
  let last: Date | undefined;
  let count = 0;
  for (let time = schedule.next(since); time && time <= now; time = schedule.next(time)) {
    last = time;
    count++;
    if (count > TOO_MANY) return { last: lastBefore(schedule, time, now), tooMany: true };
  }
  return { last, tooMany: false };
}

/** Steps back from now in growing strides instead of going through all that was missed. */
function lastBefore(schedule: Schedule, known: Date, now: Date): Date {
  let first: Date | undefined;
  for (let strideMs = 60_000; !first; strideMs *= 2) {
    const from = new Date(Math.max(known.getTime(), now.getTime() - strideMs));
    const next = schedule.next(from);
    if (next && next <= now) first = next;
    else if (from <= known) return known;
  }
  let last = first;
  for (let time = schedule.next(last); time && time <= now; time = schedule.next(time)) last = time;
  return last;
}
