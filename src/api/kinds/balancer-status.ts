import type { FieldError } from '../kind.ts';
import type { Service } from '../types.ts';
import { isLegacyAddress, validateIp } from './addresses.ts';
import { all, each, forbidden, invalid, oneOf, required, ruled } from './errors.ts';
import { dnsSubdomain } from './names.ts';

type Point = NonNullable<NonNullable<NonNullable<Service['status']>['loadBalancer']>['ingress']>[number];

const ingress = 'status.loadBalancer.ingress';

/** Where a load balancer is reached, as the status of an Ingress says it. Addresses that were there may stay as they are. */
export function validateIngressPoints(now: readonly Point[] = [], old: readonly Point[] = []): FieldError[] {
  const known = new Set(old.map(({ ip }) => ip));
  return each(now, ingress, (point, at) => all(validateAddress(point, known, at), validateHostname(point, at)));
}

/** The same of a Service, which says of an address too who answers for it (KEP-1860). */
export function validateServicePoints(
  type: string | undefined,
  now: readonly Point[] = [],
  old: readonly Point[] = [],
): FieldError[] {
  if (now.length === 0) return [];
  if (type !== 'LoadBalancer') return [forbidden(ingress, "may only be used when `spec.type` is 'LoadBalancer'")];
  const known = new Set(old.map(({ ip }) => ip));
  return each(now, ingress, (point, at) =>
    all(validateAddress(point, known, at), validateMode(point, `${at}.ipMode`), validateHostname(point, at)),
  );
}

function validateAddress({ ip }: Point, known: ReadonlySet<string | undefined>, field: string): FieldError[] {
  return ip && !known.has(ip) ? validateIp(ip, `${field}.ip`) : [];
}

function validateMode({ ip, ipMode }: Point, field: string): FieldError[] {
  if (ipMode === undefined) return ip ? [required(field, 'must be specified when `ip` is set')] : [];
  if (!ip) return [forbidden(field, 'may not be specified when `ip` is not set')];
  return oneOf(field, ipMode, ['Proxy', 'VIP']);
}

function validateHostname({ hostname }: Point, at: string): FieldError[] {
  if (!hostname) return [];
  const field = `${at}.hostname`;
  return all(
    ruled(field, hostname, dnsSubdomain),
    isLegacyAddress(hostname) && [invalid(field, hostname, 'must be a DNS name, not an IP address')],
  );
}
