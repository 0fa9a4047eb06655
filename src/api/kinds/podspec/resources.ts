import { KnitError } from '../../../base/errors.ts';
import type { FieldError } from '../../kind.ts';
import { parseQuantity } from '../../quantity.ts';
import type { Container, PodSpec } from '../../types.ts';
import { all, each, invalid, notFound, required } from '../errors.ts';
import { qualifiedName } from '../names.ts';

type Amounts = Readonly<Record<string, string>>;

const nativeResources = ['cpu', 'memory', 'ephemeral-storage'];
const claimedByVolumes = 'storage';

/** The amount of a quantity in billionths, or `undefined` where the text is none. */
export function amountOf(text: string | number): bigint | undefined {
  try {
    return parseQuantity(String(text)).nanos;
  } catch (error) {
    if (error instanceof KnitError) return undefined;
    throw error;
  }
}

/** Checks `{ cpu: '100m' … }`: known names, amounts that are not negative. */
export function validateAmounts(amounts: Amounts | undefined, field: string): FieldError[] {
  return Object.entries(amounts ?? {}).flatMap(([name, text]) => {
    const wrongName = qualifiedName(name);
    return all(wrongName ? [invalid(field, name, wrongName)] : [], validateAmount(text, `${field}[${name}]`));
  });
}

/** A quantity that is not negative. */
export function validateAmount(text: string | number, field: string): FieldError[] {
  const amount = amountOf(text);
  if (amount === undefined) return [invalid(field, text, quantityText)];
  return amount < 0n ? [invalid(field, text, 'must be greater than or equal to 0')] : [];
}

const quantityText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** `resources` of a container. */
export function validateContainerResources(
  resources: Container['resources'],
  field: string,
  claims: readonly string[],
): FieldError[] {
  const requests = resources?.requests ?? {};
  const limits = resources?.limits ?? {};
  const errors = all(
    validateContainerNames(limits, `${field}.limits`),
    validateAmounts(limits, `${field}.limits`),
    validateContainerNames(requests, `${field}.requests`),
    validateAmounts(requests, `${field}.requests`),
  );
  if (errors.length > 0) return errors;
  const unknownClaims = each(resources?.claims, `${field}.claims`, ({ name }, at) =>
    claims.includes(name) ? [] : [notFound(at, name)],
  );
  return all(validateRequestsWithinLimits(requests, limits, field), unknownClaims);
}

function validateContainerNames(amounts: Amounts, field: string): FieldError[] {
  return Object.keys(amounts).flatMap((name) => {
    const known = nativeResources.includes(name) || name.startsWith('hugepages-') || name.includes('/');
    if (known && name !== claimedByVolumes) return [];
    return [invalid(`${field}[${name}]`, name, 'must be a standard resource for containers')];
  });
}

export function validateRequestsWithinLimits(requests: Amounts, limits: Amounts, field: string): FieldError[] {
  return Object.entries(requests).flatMap(([name, request]) => {
    const limit = limits[name];
    const at = `${field}.requests`;
    if (limit === undefined) {
      return mayOvercommit(name)
        ? []
        : [required(`${field}.limits`, 'Limit must be set for non overcommitable resources')];
    }
    const [asked, most] = [amountOf(request) ?? 0n, amountOf(limit) ?? 0n];
    if (!mayOvercommit(name) && asked !== most) {
      return [invalid(at, request, `must be equal to ${name} limit of ${limit}`)];
    }
    return asked > most ? [invalid(at, request, `must be less than or equal to ${name} limit of ${limit}`)] : [];
  });
}

function mayOvercommit(name: string): boolean {
  return nativeResources.includes(name);
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** Quality of service, from what the pod asks of cpu and memory as a whole, or else what its containers do. */
export function qosClassOf(spec: PodSpec): QosClass {
  const containers = spec.resources ? [spec] : [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const all = containers.map(({ resources }) => ({
    requests: computeOnly(resources?.requests),
    limits: computeOnly(resources?.limits),
  }));
  if (all.every(({ requests, limits }) => requests.size === 0 && limits.size === 0)) return 'BestEffort';
  const guaranteed = all.every(
    ({ requests, limits }) => limits.size === 2 && [...limits].every(([name, most]) => requests.get(name) === most),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** cpu and memory, where they are asked for and not zero. */
function computeOnly(amounts: Amounts | undefined): Map<string, bigint> {
  const compute = Object.entries(amounts ?? {}).filter(([name]) => name === 'cpu' || name === 'memory');
  const values = compute.map(([name, text]) => [name, amountOf(text) ?? 0n] as const);
  return new Map(values.filter(([, amount]) => amount > 0n));
}
