const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;
const canonical = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const canonicalMicro = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** metav1.Time on the wire: RFC 3339 in UTC and whole seconds. `undefined` where the text is no time. */
export function canonicalTime(text: string): string | undefined {
  const date = parse(text);
  if (date === undefined || canonical.test(text)) return date && text;
  return formatTime(date);
}

/** A moment as metav1.Time: the whole second that it is in. */
export function formatTime(moment: Date): string {
  return `${moment.toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime on the wire: always six decimals. */
export function canonicalMicroTime(text: string): string | undefined {
  const date = parse(text);
  if (date === undefined || canonicalMicro.test(text)) return date && text;
  const decimals = (rfc3339.exec(text)?.[2] ?? '').padEnd(6, '0').slice(0, 6);
  return `${date.toISOString().slice(0, 19)}.${decimals}Z`;
}

/** What Go's time.Parse says of a text that is no such time. */
export function timeError(scalar: 'Time' | 'MicroTime', value: string): string {
  const text = JSON.stringify(value);
  if (rfc3339.test(value))
    return `parsing time ${text}: ${Number(value.slice(5, 7)) > 12 ? 'month' : 'day'} out of range`;
  const layout = scalar === 'Time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00';
  return `parsing time ${text} as ${JSON.stringify(layout)}: cannot parse ${text} as "2006"`;
}

function parse(text: string): Date | undefined {
  if (!rfc3339.test(text)) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
