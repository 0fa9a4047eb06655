import type { FieldError } from '../kind.ts';
import { invalid, required } from './errors.ts';
import { dnsSubdomain } from './names.ts';

const pathPattern = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const isPath = new RegExp(`^${pathPattern}$`);

/** A path below a domain, by which controllers are named: `acme.io/foo`. */
export function validateDomainPath(value: string | undefined, field: string): FieldError[] {
  if (!value) return [required(field)];
  const slash = value.indexOf('/');
  if (slash <= 0 || slash === value.length - 1) {
    return [invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  }
  const [domain, path] = [value.slice(0, slash), value.slice(slash + 1)];
  const wrong = dnsSubdomain(domain);
  return [
    ...(wrong ? [invalid(field, domain, wrong)] : []),
    ...(isPath.test(path)
      ? []
      : [invalid(field, path, `Invalid path (regex used for validation is '${pathPattern}')`)]),
  ];
}
