/** Digits after the point, where a clause names no number. */
const usualDigits = 6;

const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** As Go's `%q` writes it. */
export const quote = (text: string): string =>
  `"${[...text.toWellFormed()].map((character) => escapes[character] ?? character).join('')}"`;

/** `"%s is %d".format([name, age])`, as cel-go's ext.Strings does it, in American English. */
export function format(template: string, args: readonly unknown[]): string {
  let next = 0;
  return template.replace(/%(?:\.(\d+))?([a-zA-Z%])/g, (_whole, digits: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (next >= args.length) throw new Error(`index ${next} out of range`);
    return formatOne(verb, args[next++], digits === undefined ? usualDigits : Number(digits));
  });
}

function formatOne(verb: string, value: unknown, digits: number): string {
  switch (verb) {
    case 's':
      return textOf(value);
    case 'd':
      return String(value);
    case 'f':
      return fixed(doubleOf(value, 'fixed-point'), digits);
    case 'e':
      return scientific(doubleOf(value, 'scientific'), digits);
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : integerOf(value, 'binary').toString(2);
    case 'o':
      return integerOf(value, 'octal').toString(8);
    case 'x':
      return hexadecimal(value);
    case 'X':
      return hexadecimal(value).toUpperCase();
    default:
      throw new Error(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

function doubleOf(value: unknown, clause: string): number {
  if (typeof value === 'number') return value;
  throw new Error(`error during formatting: ${clause} clause can only be used on doubles`);
}

function integerOf(value: unknown, clause: string): bigint {
  const number = typeof value === 'object' ? value?.valueOf() : value;
  if (typeof number === 'bigint') return number;
  throw new Error(`error during formatting: ${clause} clause can only be used on integers`);
}

function hexadecimal(value: unknown): string {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return integerOf(value, 'hex').toString(16);
}

/** `12,345.500000` */
function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return String(value);
  const [whole = '', fraction] = value.toFixed(digits).split('.');
  const grouped = whole.includes('e') ? BigInt(value).toString() : whole;
  const point = digits === 0 ? '' : `.${fraction ?? '0'.repeat(digits)}`;
  return grouped.replace(/\B(?=(\d{3})+$)/g, ',') + point;
}

/** `1.234500×10⁰³` */
function scientific(value: number, digits: number): string {
  const [mantissa = '', exponent = ''] = value.toExponential(digits).split('e');
  const raised = `${exponent.startsWith('-') ? '⁻' : ''}${[...exponent.slice(1).padStart(2, '0')].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`;
  return `${mantissa}×10${raised}`;
}

/** A value as text, as cel-go converts it and `%s` writes it. */
export function textOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return doubleText(value);
  if (Array.isArray(value)) return `[${value.map(partOf).join(', ')}]`;
  if (value instanceof Map) return mapText([...value].map(([key, each]) => [partOf(key), each]));
  if (isLiteral(value)) return mapText(Object.entries(value).map(([key, each]) => [keyText(key), each]));
  if (value instanceof Date) return value.toISOString().replace(/\.?0*Z$/, 'Z');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (isDuration(value)) return `${Number(value) / 1000}s`;
  // A type is `Type<int>` there.
  return String(value).replace(/^Type<(.*)>$/, '$1');
}

const mapText = (entries: readonly (readonly [key: string, value: unknown])[]): string =>
  `{${entries
    .map(([key, value]) => `${key}:${partOf(value)}`)
    .sort()
    .join(', ')}}`;

/** A map that an expression makes: the library keeps its keys as texts. */
const isLiteral = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const keyText = (key: string): string => (/^-?\d+$/.test(key) ? key : quote(key));

/** The same within a list or a map. */
function partOf(value: unknown): string {
  if (typeof value === 'number') return fixed(value, usualDigits);
  if (typeof value === 'string') return quote(value);
  if (value instanceof Uint8Array) return `b${quote(textOf(value))}`;
  if (value instanceof Date) return `timestamp("${textOf(value)}")`;
  return isDuration(value) ? `duration("${textOf(value)}")` : textOf(value);
}

/** As Go's `%g`: with an exponent below 0.0001 and from a million on, of two digits at least. */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** The library does not export their class. Their value is in ms. */
const isDuration = (value: unknown): boolean =>
  Object.prototype.toString.call(value) === '[object google.protobuf.Duration]';
