// Rules of names and small values, in the words of k8s.io/apimachinery/pkg/util/validation.

/** Says what is wrong with a value first, or nothing. */
export interface Rule {
  (value: string): string | undefined;
  /** All that is wrong, where that can be several things. */
  readonly all?: (value: string) => readonly string[];
}

type Check = (value: string) => string | undefined;

/** All that is wrong with a value. */
export function faults(rule: Rule, value: string): readonly string[] {
  const first = rule(value);
  if (first === undefined) return [];
  return rule.all?.(value) ?? [first];
}

/** All that is wrong with the beginning of a name, which may end with a hyphen: more is to follow. */
export function faultsOfPrefix(rule: Rule, value: string): readonly string[] {
  return faults(rule, value.length > 1 && value.endsWith('-') ? `${value.slice(0, -2)}a` : value);
}

/** A rule of several checks, each of which may find something. */
function ruleOf(...checks: readonly Check[]): Rule {
  const first = (value: string): string | undefined => {
    for (const check of checks) {
      const wrong = check(value);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
  const all = (value: string) => checks.map((check) => check(value)).filter((wrong) => wrong !== undefined);
  return Object.assign(first, { all });
}

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const labelWithUnderscore = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const subdomainWithUnderscore = `${labelWithUnderscore}(\\.${labelWithUnderscore})*`;
const wildcard = `\\*\\.${subdomain}`;
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelText = `(${qualified})?`;
const configKey = '[-._a-zA-Z0-9]+';
const header = '[-A-Za-z0-9]+';

const whole = (pattern: string) => new RegExp(`^(?:${pattern})$`);
const isSubdomain = whole(subdomain);
const isKey = whole(`(${subdomain}/)?${qualified}`);

/** A length in bytes. Kubernetes calls them so for the keys and values of labels, and characters for all else. */
function atMost(max: number, unit: 'bytes' | 'characters' = 'characters'): Check {
  const text = `must be no more than ${max} ${unit}`;
  // A unit of UTF-16 has three bytes at most: what is short enough for that need not be counted.
  return (value) => (value.length * 3 > max && Buffer.byteLength(value) > max ? text : undefined);
}

function matches(pattern: string, ...text: readonly [string, ...string[]]): Check {
  const regex = whole(pattern);
  const wrong = patternText(pattern, ...text);
  return (value) => (regex.test(value) ? undefined : wrong);
}

function patternText(pattern: string, text: string, ...examples: readonly string[]): string {
  const shown = examples.map((one) => `'${one}', `).join(' or ');
  return `${text} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

const isLabel = matches(
  label,
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  'my-name',
  '123-abc',
);

const matchesSubdomain = matches(
  subdomain,
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  'example.com',
);

/** Names of namespaces, Services, containers, volumes: RFC 1123 labels. */
export const dnsLabel = ruleOf(atMost(63), (value) => {
  const wrong = isLabel(value);
  return wrong && isSubdomain.test(value) ? 'must not contain dots' : wrong;
});

/** Names of most objects: RFC 1123 subdomains. */
export const dnsSubdomain = ruleOf(atMost(253), matchesSubdomain);

/** Domains that a resolver searches, which may be those of services: `_sip._tcp.example.com`. */
export const dnsSubdomainWithUnderscore = ruleOf(
  atMost(253),
  matches(
    subdomainWithUnderscore,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
    'example.com',
  ),
);

/** Names of what definitions of kinds make: RFC 1035 labels, which start with a letter. */
export const dnsLabel1035 = ruleOf(
  atMost(63),
  matches(
    label1035,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    'my-name',
    'abc-123',
  ),
);

/** `*.example.com` */
export const wildcardSubdomain = ruleOf(
  atMost(253),
  matches(
    wildcard,
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    '*.example.com',
  ),
);

const without =
  (text: string): Check =>
  (value) =>
    value.includes(text) ? `may not contain '${text}'` : undefined;

/** Names of roles and the like, which may hold anything that a URL's path segment can. */
export const pathSegment = ruleOf(
  (value) => (value === '.' || value === '..' ? `may not be '${value}'` : undefined),
  without('/'),
  without('%'),
);

const keyText =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const keyExamples = ['MyName', 'my.name', '123-abc'];

const keyPrefix = ruleOf(atMost(253, 'bytes'), matchesSubdomain);
const keyName = ruleOf(
  (value) => (value === '' ? 'must be non-empty' : undefined),
  atMost(63, 'bytes'),
  matches(qualified, keyText, ...keyExamples),
);
const manyPartsText = `${patternText(qualified, `a valid label key ${keyText}`, ...keyExamples)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;

/** Keys of labels and annotations: `[prefix/]name`. */
export const qualifiedName: Rule = Object.assign(
  (value: string) => (value.length <= 63 && isKey.test(value) ? undefined : faultsOfKey(value)[0]),
  { all: faultsOfKey },
);

function faultsOfKey(value: string): string[] {
  const parts = value.split('/');
  if (parts.length > 2) return [manyPartsText];
  const prefix = parts.length === 2 ? parts[0] : undefined;
  const ofPrefix = prefix === '' ? ['must be non-empty'] : prefix === undefined ? [] : faults(keyPrefix, prefix);
  return [
    ...ofPrefix.map((wrong) => `prefix part ${wrong}`),
    ...faults(keyName, parts.at(-1) ?? '').map((wrong) => `name part ${wrong}`),
  ];
}

export const labelValue = ruleOf(
  atMost(63, 'bytes'),
  matches(
    labelText,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    'MyValue',
    'my_value',
    '12345',
  ),
);

/** Keys of ConfigMaps and Secrets, which become file names. */
export const dataKey = ruleOf(
  atMost(253),
  matches(
    configKey,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    'key.name',
    'KEY_NAME',
    'key-name',
  ),
  (value) => {
    if (!value.startsWith('..')) return value === '.' ? `must not be '.'` : undefined;
    return value === '..' ? `must not be '..'` : `must not start with '..'`;
  },
);

export const envName: Rule = (value) =>
  /^[ -<>-~]+$/.test(value)
    ? undefined
    : `a valid environment variable name must consist only of printable ASCII characters other than '='`;

export const headerName: Rule = matches(
  header,
  "a valid HTTP header must consist of alphanumeric characters or '-'",
  'X-Header-Name',
);

export const conditionReason: Rule = matches(
  '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?',
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
  'my_name',
  'MY_NAME',
  'MyName',
  'ReasonA,ReasonB',
  'ReasonA:ReasonB',
);

/** Names of container ports (IANA service names, RFC 6335 §5.1). */
export const portName = ruleOf(
  atMost(15),
  (value) =>
    /^[-a-z0-9]+$/.test(value) ? undefined : 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
  (value) => (/[a-z]/.test(value) ? undefined : 'must contain at least one letter (a-z)'),
  (value) => (value.includes('--') ? 'must not contain consecutive hyphens' : undefined),
  (value) => (/^-|-$/.test(value) ? 'must not begin or end with a hyphen' : undefined),
);

export function portNumber(value: number): string | undefined {
  return Number.isInteger(value) && value >= 1 && value <= 65535 ? undefined : 'must be between 1 and 65535, inclusive';
}
