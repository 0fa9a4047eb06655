import { isIP } from 'node:net';
import { type JsonSchema, schemasIn } from './json-schema.ts';

type Test = (text: string) => boolean;

const matches =
  (pattern: RegExp): Test =>
  (text) =>
    pattern.test(text);
const hex = '[0-9a-f]';
const uuid = (version: string, variant: string): Test =>
  matches(new RegExp(`^${hex}{8}-?${hex}{4}-?${version}${hex}{3}-?${variant}${hex}{3}-?${hex}{12}$`, 'i'));
const shortName = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/**
 * Formats of strings that are checked, by their names without dashes; all others say nothing (apiextensions'
 * formats.go and kube-openapi's strfmt).
 */
const formats: Readonly<Record<string, Test>> = {
  bsonobjectid: matches(/^[0-9a-f]{24}$/i),
  uri: (text) =>
    /^[a-z][a-z0-9+.-]*:/i.test(text) ? URL.canParse(text) || /^[^:]+:[^/]/.test(text) : text.startsWith('/'),
  email: matches(/^[^\s@<>"]+@[^\s@<>"]+$/),
  hostname: (text) =>
    Buffer.byteLength(text) <= 255 &&
    /^[a-zA-Z0-9\u00a1-\uffff]([a-zA-Z0-9\u00a1-\uffff-]{0,62})?(\.[a-zA-Z0-9\u00a1-\uffff-]{1,63})*\.?$/.test(text),
  ipv4: (text) => isIP(text) === 4,
  ipv6: (text) => isIP(text) === 6,
  cidr: isCIDR,
  mac: matches(
    /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}(([0-9a-f]{2}\2){2}|([0-9a-f]{2}\2){14})?[0-9a-f]{2}$|^([0-9a-f]{4}\.){2}(([0-9a-f]{4}\.)|([0-9a-f]{4}\.){7})?[0-9a-f]{4}$/i,
  ),
  uuid: uuid(hex, hex),
  uuid3: uuid('3', hex),
  uuid4: uuid('4', '[89ab]'),
  uuid5: uuid('5', '[89ab]'),
  isbn: (text) => isISBN10(text) || isISBN13(text),
  isbn10: isISBN10,
  isbn13: isISBN13,
  creditcard: isCreditCard,
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: isRGBColor,
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  password: () => true,
  date: isDate,
  duration: isDuration,
  datetime: isDateTime,
  k8sshortname: (text) => text.length <= 63 && new RegExp(`^${shortName}$`).test(text),
  k8slongname: (text) => text.length <= 253 && new RegExp(`^${shortName}(\\.${shortName})*$`).test(text),
};

const testOf = (format: string): Test | undefined => {
  const name = format.replaceAll('-', '');
  return Object.hasOwn(formats, name) ? formats[name] : undefined;
};

/** Whether a string has a format; one of no known format has it. */
export const hasFormat = (format: string, text: string): boolean => testOf(format)?.(text) ?? true;

/** Whether there is such a format of this type at all. */
export function isKnownFormat(type: string | undefined, format: string): boolean {
  switch (type ?? 'string') {
    case 'string':
      return testOf(format) !== undefined;
    case 'integer':
      return format === 'int32' || format === 'int64';
    case 'number':
      return format === 'float' || format === 'double';
    default:
      return false;
  }
}

/** Formats in a schema that nobody checks. */
export function unknownFormats(schema: JsonSchema): string[] {
  return [...schemasIn(schema)].flatMap(({ type, format }) => (format && !isKnownFormat(type, format) ? [format] : []));
}

function isCIDR(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function isDateTime(text: string): boolean {
  const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return false;
  const [, date = '', hour, minute, second] = match;
  return isDate(date) && Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 59;
}

/** Go's `1h30m`, or a number and a unit in words: `22 ns`, `3 days`. */
function isDuration(text: string): boolean {
  const go = /^[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;
  const words =
    /^\d+\s*(ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week|nanos|micros|millis|secs|mins|hrs|hours|days|wks|weeks|seconds?|minutes?|milliseconds?|microseconds?|nanoseconds?)$/;
  return go.test(text) || words.test(text);
}

function isISBN10(text: string): boolean {
  const digits = text.replace(/[\s-]/g, '');
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  const sum = [...digits].reduce(
    (total, digit, index) => total + (index + 1) * (digit === 'X' ? 10 : Number(digit)),
    0,
  );
  return sum % 11 === 0;
}

function isISBN13(text: string): boolean {
  const digits = text.replace(/[\s-]/g, '');
  if (!/^\d{13}$/.test(digits)) return false;
  return [...digits].reduce((total, digit, index) => total + (index % 2 === 0 ? 1 : 3) * Number(digit), 0) % 10 === 0;
}

/** The numbers that their issuers give out (govalidator). */
const cards =
  /^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/;

function isCreditCard(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  if (!cards.test(digits)) return false;
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const doubled = index % 2 === 1 ? Number(digit) * 2 : Number(digit);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return sum % 10 === 0;
}

function isRGBColor(text: string): boolean {
  const match = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text);
  return match?.slice(1).every((part) => Number(part) <= 255) === true;
}
