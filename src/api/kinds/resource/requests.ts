import type * as k8s from '@kubernetes/client-node';
import type { FieldError } from '../../kind.ts';
import type { Wire } from '../../types.ts';
import { duplicate, invalid, named, notSupported, required, tooLong, tooMany } from '../errors.ts';
import { dnsLabel, dnsSubdomain } from '../names.ts';

// What claims ask for, and the rules of names that all kinds of the group share.

export type DeviceClaim = Wire<k8s.V1DeviceClaim>;
type DeviceRequest = Wire<k8s.V1DeviceRequest>;
type DeviceSubRequest = Wire<k8s.V1DeviceSubRequest>;
type DeviceSelector = Wire<k8s.V1DeviceSelector>;
type Configuration = Wire<k8s.V1DeviceClassConfiguration>;

const maxRequests = 32;
const maxConstraints = 32;
export const maxConfigs = 32;
const maxAlternatives = 8;
const maxSelectors = 32;
const maxExpression = 10 * 1024;
const maxDriverName = 63;

/** The name of a driver: a DNS subdomain of at most 63 bytes. */
export function driverErrors(field: string, name: string | undefined): FieldError[] {
  return name && name.length > maxDriverName ? [tooLong(field, maxDriverName)] : named(field, name, dnsSubdomain);
}

/** Errors of a list's length and of a key that is there twice; `key` is left out where entries need none. */
export function setErrors<T>(
  field: string,
  items: readonly T[],
  max: number,
  key?: { readonly of: (item: T) => unknown; readonly name: string },
): FieldError[] {
  const errors = items.length > max ? [tooMany(field, items.length, max)] : [];
  if (!key) return errors;
  const seen = new Set<unknown>();
  for (const [i, item] of items.entries()) {
    const value = key.of(item);
    if (seen.has(value)) errors.push(duplicate(`${field}[${i}]${key.name}`, value));
    seen.add(value);
  }
  return errors;
}

/** A request without a mode asks for one device. */
export function defaultRequests({ requests }: DeviceClaim): void {
  for (const { exactly, firstAvailable } of requests ?? []) {
    for (const each of [...(exactly ? [exactly] : []), ...(firstAvailable ?? [])]) {
      each.allocationMode ||= 'ExactCount';
      if (each.allocationMode === 'ExactCount') each.count ||= 1;
    }
  }
}

/** Errors of what a claim, or a template for one, asks for. */
export function claimErrors(field: string, claim: DeviceClaim): FieldError[] {
  const { requests = [], constraints = [], config = [] } = claim;
  const names = requestNames(claim);
  const references = (at: string, refs: readonly string[] = []) =>
    refs.flatMap((ref, i) => referenceErrors(`${at}.requests[${i}]`, ref, names));
  return [
    ...setErrors(`${field}.requests`, requests, maxRequests, { of: ({ name }) => name, name: '.name' }),
    ...requests.flatMap((request, i) => requestErrors(`${field}.requests[${i}]`, request)),
    ...setErrors(`${field}.constraints`, constraints, maxConstraints),
    ...constraints.flatMap((constraint, i) => {
      const at = `${field}.constraints[${i}]`;
      const attribute = constraint.matchAttribute ?? constraint.distinctAttribute;
      return [
        ...references(at, constraint.requests),
        ...(attribute === undefined ? [required(`${at}.matchAttribute`)] : []),
        ...(attribute !== undefined && !attribute.includes('/')
          ? [
              invalid(
                `${at}.matchAttribute`,
                attribute,
                'a fully qualified name must be a domain and a name separated by a slash',
              ),
            ]
          : []),
      ];
    }),
    ...setErrors(`${field}.config`, config, maxConfigs),
    ...config.flatMap((one, i) => {
      const at = `${field}.config[${i}]`;
      return [...references(at, one.requests), ...configurationErrors(at, one)];
    }),
  ];
}

/** Names by which configurations and results refer to requests: `gpu`, or `gpu/small` for one of its alternatives. */
export function requestNames({ requests = [] }: DeviceClaim): ReadonlySet<string> {
  return new Set(
    requests.flatMap(({ name, firstAvailable = [] }) => [name, ...firstAvailable.map((sub) => `${name}/${sub.name}`)]),
  );
}

/** An error where `ref` names no request. */
export function referenceErrors(field: string, ref: string, names: ReadonlySet<string>): FieldError[] {
  if (names.has(ref)) return [];
  const detail =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  return [invalid(field, ref, detail)];
}

function requestErrors(field: string, request: DeviceRequest): FieldError[] {
  const { name, exactly, firstAvailable = [] } = request;
  const detail = 'exactly one of `exactly` or `firstAvailable` is required';
  const errors = named(`${field}.name`, name, dnsLabel);
  if (exactly && firstAvailable.length > 0)
    return [...errors, invalid(field, undefined, `${detail}, but multiple fields are set`)];
  if (exactly) return [...errors, ...askedErrors(`${field}.exactly`, exactly)];
  if (firstAvailable.length === 0) return [...errors, required(field, detail)];
  const key = { of: (sub: DeviceSubRequest) => sub.name, name: '.name' };
  return [
    ...errors,
    ...setErrors(`${field}.firstAvailable`, firstAvailable, maxAlternatives, key),
    ...firstAvailable.flatMap((sub, i) => [
      ...named(`${field}.firstAvailable[${i}].name`, sub.name, dnsLabel),
      ...askedErrors(`${field}.firstAvailable[${i}]`, sub),
    ]),
  ];
}

/** What a request and each of its alternatives have alike. */
function askedErrors(field: string, asked: Omit<DeviceSubRequest, 'name'>): FieldError[] {
  return [
    ...named(`${field}.deviceClassName`, asked.deviceClassName, dnsSubdomain),
    ...selectorErrors(`${field}.selectors`, asked.selectors ?? []),
    ...modeErrors(field, asked.allocationMode, asked.count ?? 0),
  ];
}

function modeErrors(field: string, mode: string | undefined, count: number): FieldError[] {
  if (mode === 'All')
    return count ? [invalid(`${field}.count`, count, "must not be specified when allocationMode is 'All'")] : [];
  if (mode === 'ExactCount') return count > 0 ? [] : [invalid(`${field}.count`, count, 'must be greater than zero')];
  return [notSupported(`${field}.allocationMode`, mode, ['All', 'ExactCount'])];
}

/** Errors of expressions that choose devices; what they say is checked where devices are chosen. */
export function selectorErrors(field: string, selectors: readonly DeviceSelector[]): FieldError[] {
  return [
    ...setErrors(field, selectors, maxSelectors),
    ...selectors.flatMap(({ cel }, i) => {
      const at = `${field}[${i}].cel`;
      if (!cel) return [required(at)];
      if (!cel.expression) return [required(`${at}.expression`)];
      return cel.expression.length > maxExpression ? [tooLong(`${at}.expression`, maxExpression)] : [];
    }),
  ];
}

/** Errors of parameters for a driver. */
export function configurationErrors(field: string, { opaque }: Configuration): FieldError[] {
  if (!opaque) return [required(`${field}.opaque`)];
  const { driver, parameters } = opaque;
  return [
    ...driverErrors(`${field}.opaque.driver`, driver),
    ...(parameters === undefined || parameters === null ? [required(`${field}.opaque.parameters`)] : []),
  ];
}
