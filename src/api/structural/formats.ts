import { isIP } from 'node:net';
import { parseGoUrl } from '../kinds/go-url.ts';
import { type JsonSchema, schemasIn } from './json-schema.ts';

type Test = (text: string) => boolean;

const matches =
  (pattern: RegExp): Test =>
  (text) =>
    pattern.test(text);
const hex = '[0-9a-f]';
const uuid = (version: string, variant: string): Test =>
  matches(new RegExp(`^${hex}{8}-?${hex}{4}-?${version}${hex}{3}-?${variant}${hex}{3}-?${hex}{12}$`, 'i'));
const atom = "[\\w!#$%&'*+/=?^`{|}~\\u0080-\\uffff-]+";
const atoms = `${atom}(\\.${atom})*`;
/** Of a colour. */
const level = '\\s*(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*';
const shortName = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/**
 * Formats of strings that are checked, by their names without dashes; all others say nothing (apiextensions'
 * formats.go and kube-openapi's strfmt).
 */
const formats: Readonly<Record<string, Test>> = {
  bsonobjectid: matches(/^[0-9a-f]{24}$/i),
  uri: isRequestUri,
  // With a name, or without.
  email: matches(new RegExp(`^([^<>@]*<${atoms}@${atoms}>|${atoms}@${atoms})$`)),
  hostname: isHostname,
  // What is mapped has dots too.
  ipv4: (text) => familyOf(text) !== 0 && text.includes('.'),
  ipv6: (text) => familyOf(text) !== 0 && text.includes(':'),
  cidr: isCIDR,
  mac: matches(
    /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}(([0-9a-f]{2}\2){2}|([0-9a-f]{2}\2){14})?[0-9a-f]{2}$|^([0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]{40})$|^([0-9a-f]{4}\.){2}(([0-9a-f]{4}\.)|([0-9a-f]{4}\.){7})?[0-9a-f]{4}$/i,
  ),
  uuid: uuid(hex, hex),
  uuid3: uuid('3', hex),
  uuid4: uuid('4', '[89ab]'),
  uuid5: uuid('5', '[89ab]'),
  isbn: (text) => isISBN10(text) || isISBN13(text),
  isbn10: isISBN10,
  isbn13: isISBN13,
  creditcard: isCreditCard,
  ssn: matches(/^\d{3}[- ]\d{2}[- ]\d{4}$/),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: matches(new RegExp(`^rgb\\(${level},${level},${level}\\)$`)),
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/),
  password: () => true,
  date: isDate,
  duration: (text) => durationOf(text) !== undefined,
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

/** 4 or 6; 0 for what is no address. Zeros may lead the numbers of one, and there are no zones. */
function familyOf(address: string): number {
  return address.includes('%') ? 0 : isIP(address.replace(/(?<![\da-f])0+(?=\d)(?=[\d.]*$)/gi, ''));
}

function isCIDR(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = familyOf(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** An absolute URI or path (Go's ParseRequestURI). */
function isRequestUri(text: string): boolean {
  return text === '*' || (/^(\/|[a-z][a-z0-9+.-]*:)/i.test(text) && !('error' in parseGoUrl(text)));
}

const letter = 'a-zA-Z0-9\\p{S}\\p{L}';
const host = new RegExp(
  `^([${letter}](-?[${letter}]{0,62})?|([${letter}]([\\-${letter}]{0,61}[${letter}])?\\.)+[a-zA-Z\\p{L}]{2,63})$`,
  'u',
);

function isHostname(text: string): boolean {
  const fits = (part: string) => Buffer.byteLength(part) <= 63;
  return host.test(text) && Buffer.byteLength(text) <= 255 && text.split('.').every(fits);
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** Whatever stands before the fraction of a second. */
function isDateTime(text: string): boolean {
  const [date = '', time = ''] = text.toLowerCase().split('t');
  const match = /^(\d\d):(\d\d):(\d\d)(.\d+)?(z|[+-]\d\d:\d\d)$/.exec(time);
  if (!match || !isDate(date)) return false;
  const [, hour, minute, second] = match;
  return Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 59;
}

const SECOND = 1_000_000_000n;
const units: readonly (readonly [RegExp, nanoseconds: bigint])[] = [
  [/^(ns|nano.*)$/i, 1n],
  [/^(us|µs|micro.*)$/i, 1000n],
  [/^(ms|milli.*)$/i, 1_000_000n],
  [/^(s|sec.*)$/i, SECOND],
  [/^(m|min.*)$/i, 60n * SECOND],
  [/^(h|hr|hour.*)$/i, 3600n * SECOND],
  [/^(d|day.*)$/i, 24n * 3600n * SECOND],
  [/^(w|wk|week.*)$/i, 7n * 24n * 3600n * SECOND],
];
const goDuration = /^[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;

/** A duration as Go writes one, of `1h30m` or of numbers with units in words somewhere in it: `22 ns`, `3 days`. */
export function durationOf(text: string): string | undefined {
  if (goDuration.test(text)) return text;
  const found = [...text.matchAll(/(\d+)\s*([A-Za-zµ]+)/g)].flatMap(([, count = '', unit = '']) => {
    const size = units.find(([names]) => names.test(unit))?.[1];
    return size === undefined ? [] : [BigInt(count) * size];
  });
  return found.length === 0 ? undefined : `${found.reduce((sum, each) => sum + each)}ns`;
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
