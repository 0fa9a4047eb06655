import { KnitError } from '../../../base/errors.ts';
import type { FieldError } from '../../kind.ts';
import { parseQuantity } from '../../quantity.ts';
import type { Container, PodSpec } from '../../types.ts';
import { all, duplicate, each, forbidden, invalid, notFound, required, ruled, ruledIfGiven } from '../errors.ts';
import { dnsLabel, qualifiedName } from '../names.ts';
import { hugePages, isExtended, isHugePages, mayOvercommit, validateContainerResourceName } from '../resource-names.ts';

type Amounts = Readonly<Record<string, string>>;

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
  return Object.entries(amounts ?? {}).flatMap(([name, text]) =>
    all(ruled(field, name, qualifiedName), validateAmount(text, `${field}[${name}]`)),
  );
}

/** A quantity that is not negative. */
export function validateAmount(text: string | number, field: string): FieldError[] {
  const amount = amountOf(text);
  if (amount === undefined) return [invalid(field, text, quantityText)];
  return amount < 0n ? [invalid(field, text, 'must be greater than or equal to 0')] : [];
}

const quantityText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

type Requirements = NonNullable<Container['resources']>;

/** `resources` of a container. `claims`: the names of the pod's. */
export function validateContainerResources(
  resources: Requirements,
  field: string,
  claims: readonly string[],
): FieldError[] {
  return validateRequirements(resources, validateContainerResourceName, field, claims);
}

/** Amounts of what has the right name, with requests that keep within limits. */
export function validateRequirements(
  { limits, requests, claims: used }: Requirements,
  validateName: (name: string, field: string) => FieldError[],
  field: string,
  claims: readonly string[],
): FieldError[] {
  return all(
    limits && validateAmountsOf(limits, validateName, `${field}.limits`),
    requests && validateAmountsOf(requests, validateName, `${field}.requests`),
    requests && validateRequestsWithinLimits(requests, limits ?? {}, field),
    hugePagesAlone(limits, requests) && [forbidden(field, 'HugePages require cpu or memory')],
    used && validateUsedClaims(used, claims, `${field}.claims`),
  );
}

function validateAmountsOf(
  amounts: Amounts,
  validateName: (name: string, field: string) => FieldError[],
  field: string,
): FieldError[] {
  return Object.entries(amounts).flatMap(([name, text]) => {
    const at = `${field}[${name}]`;
    return all(validateName(name, at), validateAmount(text, at), validateDivisible(name, text, at));
  });
}

function hugePagesAlone(limits: Amounts = {}, requests: Amounts = {}): boolean {
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  return names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory');
}

/** Some things cannot be halved. */
function validateDivisible(name: string, text: string, field: string): FieldError[] {
  const ofPages = isHugePages(name);
  const amount = ofPages || isExtended(name) ? amountOf(text) : undefined;
  if (amount === undefined) return [];
  if (ofPages) {
    const size = amountOf(name.slice(hugePages.length)) ?? 0n;
    if (size > 0n && size % billion === 0n && divideUp(amount) % (size / billion) === 0n) return [];
    return [invalid(field, text, `${text} is not positive integer multiple of ${name}`)];
  }
  // To a thousandth, upwards: that is how finely Kubernetes looks.
  const thousandths = divideUp(amount * 1000n);
  return thousandths % 1000n === 0n ? [] : [invalid(field, text, 'must be an integer')];
}

const billion = 1_000_000_000n;
/** Whole units of so many billionths, rounded away from zero. */
const divideUp = (nanos: bigint): bigint => {
  const whole = nanos / billion;
  if (nanos % billion === 0n) return whole;
  return nanos < 0n ? whole - 1n : whole + 1n;
};

type Claim = NonNullable<Requirements['claims']>[number];

function validateUsedClaims(used: readonly Claim[], claims: readonly string[], field: string): FieldError[] {
  const known = claims.length === 0 ? ' which is empty' : `: ${[...claims].sort().join(', ')}`;
  return each(used, field, ({ name, request }, at, i) => {
    if (!name) return [required(at)];
    const before = used.slice(0, i).filter((other) => other.name === name);
    const again = before.some((other) => !request || !other.request || other.request === request);
    return all(
      ruledIfGiven(`${at}.request`, request, dnsLabel),
      again && [duplicate(at, request && before.every((other) => other.request) ? `${name}/${request}` : name)],
      !claims.includes(name) && [notFound(at, name, `must be one of the names in pod.spec.resourceClaims${known}`)],
    );
  });
}

function validateRequestsWithinLimits(requests: Amounts, limits: Amounts, field: string): FieldError[] {
  return Object.entries(requests).flatMap(([name, request]) => {
    const limit = limits[name];
    if (limit === undefined) {
      if (mayOvercommit(name)) return [];
      return [required(`${field}.limits`, 'Limit must be set for non overcommitable resources')];
    }
    if (limit === request) return [];
    const at = `${field}.requests`;
    const [asked, most] = [amountOf(request) ?? 0n, amountOf(limit) ?? 0n];
    if (!mayOvercommit(name)) {
      return asked === most ? [] : [invalid(at, request, `must be equal to ${name} limit of ${limit}`)];
    }
    return asked > most ? [invalid(at, request, `must be less than or equal to ${name} limit of ${limit}`)] : [];
  });
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
