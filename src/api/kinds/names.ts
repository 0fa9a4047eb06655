// Rules of names and small values, in the words of k8s.io/apimachinery/pkg/util/validation.
// A rule returns what is wrong, or nothing.

export type Rule = (value: string) => string | undefined;

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelText = `(${qualified})?`;
const configKey = '[-._a-zA-Z0-9]+';

const whole = (pattern: string) => new RegExp(`^(?:${pattern})$`);
const isLabel = whole(label);
const isSubdomain = whole(subdomain);
const isLabel1035 = whole(label1035);
const isQualified = whole(qualified);
const isLabelText = whole(labelText);
const isConfigKey = whole(configKey);
const isWildcard = whole(`\\*\\.${subdomain}`);

const tooLongFor = (max: number) => `must be no more than ${max} bytes`;
const bytes = (value: string) => Buffer.byteLength(value);

/** Names of namespaces, Services, containers, volumes: RFC 1123 labels. */
export const dnsLabel: Rule = (value) => {
  if (bytes(value) > 63) return tooLongFor(63);
  if (isLabel.test(value)) return undefined;
  return `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`;
};

/** Names of most objects: RFC 1123 subdomains. */
export const dnsSubdomain: Rule = (value) => {
  if (bytes(value) > 253) return tooLongFor(253);
  if (isSubdomain.test(value)) return undefined;
  return `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`;
};

/** Names of what definitions of kinds make: RFC 1035 labels, which start with a letter. */
export const dnsLabel1035: Rule = (value) => {
  if (bytes(value) > 63) return tooLongFor(63);
  if (isLabel1035.test(value)) return undefined;
  return `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '${label1035}')`;
};

/** `*.example.com` */
export const wildcardSubdomain: Rule = (value) => {
  if (bytes(value) > 253) return tooLongFor(253);
  if (isWildcard.test(value)) return undefined;
  return `a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.${subdomain}')`;
};

/** Names of roles and the like, which may hold anything that a URL's path segment can. */
export const pathSegment: Rule = (value) => {
  if (value === '.' || value === '..') return `may not be '${value}'`;
  const bad = ['/', '%'].find((one) => value.includes(one));
  return bad && `may not contain '${bad}'`;
};

/** Keys of labels and annotations: `[prefix/]name`. */
export const qualifiedName: Rule = (value) => {
  const parts = value.split('/');
  if (parts.length > 2) {
    return `a qualified name ${qualifiedText} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  const [prefix, name] = parts.length === 2 ? (parts as [string, string]) : [undefined, value];
  if (prefix === '') return 'prefix part must be non-empty';
  const wrongPrefix = prefix === undefined ? undefined : dnsSubdomain(prefix);
  if (wrongPrefix) return `prefix part ${wrongPrefix}`;
  if (name === '') return 'name part must be non-empty';
  if (bytes(name) > 63) return `name part ${tooLongFor(63)}`;
  return isQualified.test(name) ? undefined : `name part ${qualifiedText}`;
};

const qualifiedText = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualified}')`;

export const labelValue: Rule = (value) => {
  if (bytes(value) > 63) return tooLongFor(63);
  if (isLabelText.test(value)) return undefined;
  return `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${labelText}')`;
};

/** Keys of ConfigMaps and Secrets, which become file names. */
export const dataKey: Rule = (value) => {
  if (bytes(value) > 253) return tooLongFor(253);
  if (!isConfigKey.test(value)) {
    return `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '${configKey}')`;
  }
  if (value === '.') return `must not be '.'`;
  if (value === '..') return `must not be '..'`;
  return value.startsWith('..') ? `must not start with '..'` : undefined;
};

export const envName: Rule = (value) =>
  /^[ -<>-~]+$/.test(value)
    ? undefined
    : `a valid environment variable name must consist only of printable ASCII characters other than '='`;

/** Names of container ports (IANA service names, RFC 6335 §5.1). */
export const portName: Rule = (value) => {
  if (value.length > 15) return tooLongFor(15);
  if (!/^[-a-z0-9]+$/.test(value)) return 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)';
  if (!/[a-z]/.test(value)) return 'must contain at least one letter (a-z)';
  if (value.includes('--')) return 'must not contain consecutive hyphens';
  return /^-|-$/.test(value) ? 'must not begin or end with a hyphen' : undefined;
};

export function portNumber(value: number): string | undefined {
  return Number.isInteger(value) && value >= 1 && value <= 65535 ? undefined : 'must be between 1 and 65535, inclusive';
}
