/** What is wrong with a cron schedule (`*` `/5` `1-5` `mon,wed`, `@hourly`, `@every 5m`), or nothing. */
export function scheduleError(schedule: string): string | undefined {
  if (schedule.startsWith('@')) return macroError(schedule);
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== ranges.length) {
    return `expected exactly ${ranges.length} fields, found ${fields.length}: [${fields.join(' ')}]`;
  }
  for (const [i, field] of fields.entries()) {
    const wrong = field.split(',').find((part) => !isPart(part, ranges[i]!));
    if (wrong !== undefined) return `failed to parse ${ranges[i]!.name} ${JSON.stringify(wrong)}`;
  }
  return undefined;
}

interface Range {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const ranges: readonly Range[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: months },
  { name: 'day of week', min: 0, max: 6, names: days },
];
const macros = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

function macroError(schedule: string): string | undefined {
  if (macros.includes(schedule)) return undefined;
  if (/^@every (?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(schedule)) return undefined;
  return `unrecognized descriptor: ${schedule}`;
}

function isPart(part: string, range: Range): boolean {
  const [span = '', step, ...rest] = part.split('/');
  if (rest.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) return false;
  if (span === '*' || span === '?') return true;
  const [first, last = first, ...more] = span.split('-').map((one) => numberOf(one, range));
  if (first === undefined || last === undefined || more.length > 0) return false;
  return first >= range.min && last <= range.max && first <= last;
}

function numberOf(text: string, { names, min }: Range): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const index = names?.indexOf(text.toLowerCase()) ?? -1;
  return index < 0 ? undefined : index + min;
}
