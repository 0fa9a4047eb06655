import type { FieldError } from '../../kind.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { forbidden, named, oneOf, required, unchanged } from '../errors.ts';
import { dnsLabel } from '../names.ts';
import {
  claimErrors,
  configurationErrors,
  defaultRequests,
  driverErrors,
  referenceErrors,
  requestNames,
  setErrors,
} from './requests.ts';

const group = 'resource.k8s.io';
const maxReservations = 256;
const maxResults = 32;

/** Devices that somebody asks for. Nothing here allocates any: an allocation is what a driver's own scheduler writes. */
export const resourceClaim = defineKind<ResourceClaim>({
  group,
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  namespaced: true,
  keptByStatus: allMetadata,
  hasStatus: true,
  initialStatus: {},
  setDefaults({ spec }) {
    if (spec?.devices) defaultRequests(spec.devices);
  },
  validate(claim, old, subresource): FieldError[] {
    if (subresource === 'status') return statusErrors(claim, old);
    // A spec that may not change needs no second look.
    if (old) return unchanged('spec', claim.spec, old.spec);
    return claimErrors('spec.devices', claim.spec?.devices ?? {});
  },
  columns: [
    nameColumn,
    text('State', stateOf, 'A summary of the current state (allocated, pending, reserved, etc.).'),
    ageColumn,
  ],
});

export const resourceClaimTemplate = defineKind<ResourceClaimTemplate>({
  group,
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  namespaced: true,
  setDefaults({ spec }) {
    if (spec?.spec?.devices) defaultRequests(spec.spec.devices);
  },
  validate({ spec }, old): FieldError[] {
    return [
      ...claimErrors('spec.spec.devices', spec?.spec?.devices ?? {}),
      ...(old ? unchanged('spec', spec, old.spec) : []),
    ];
  },
});

function stateOf({ metadata, status }: ResourceClaim): string {
  const deleted = metadata?.deletionTimestamp !== undefined;
  if (!status?.allocation) return deleted ? 'deleted' : 'pending';
  const states = [...(deleted ? ['deleted'] : []), 'allocated', ...(status.reservedFor?.length ? ['reserved'] : [])];
  return states.join(',');
}

function statusErrors({ metadata, spec, status = {} }: ResourceClaim, old: ResourceClaim | undefined): FieldError[] {
  const { reservedFor = [], allocation } = status;
  const errors = [
    ...setErrors('status.reservedFor', reservedFor, maxReservations, { of: ({ uid }) => uid, name: '.uid' }),
    ...reservedFor.flatMap(({ resource, name, uid }, i) =>
      Object.entries({ resource, name, uid }).flatMap(([field, value]) =>
        value ? [] : [required(`status.reservedFor[${i}].${field}`)],
      ),
    ),
  ];
  if (reservedFor.length > 0 && !allocation)
    errors.push(forbidden('status.reservedFor', 'may not be specified when `allocated` is not set'));
  const before = new Set(old?.status?.reservedFor?.map(({ uid }) => uid));
  if (metadata?.deletionTimestamp && reservedFor.some(({ uid }) => !before.has(uid))) {
    const detail = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
    errors.push(forbidden('status.reservedFor', detail));
  }
  if (!allocation) return errors;
  if (old?.status?.allocation) return [...errors, ...unchanged('status.allocation', allocation, old.status.allocation)];
  return [...errors, ...allocationErrors(allocation, requestNames(spec?.devices ?? {}))];
}

function allocationErrors(
  { devices = {} }: NonNullable<NonNullable<ResourceClaim['status']>['allocation']>,
  names: ReadonlySet<string>,
): FieldError[] {
  const { results = [], config = [] } = devices;
  const field = 'status.allocation.devices';
  return [
    ...setErrors(`${field}.results`, results, maxResults),
    ...results.flatMap(({ request, driver, pool, device }, i) => [
      ...referenceErrors(`${field}.results[${i}].request`, request, names),
      ...driverErrors(`${field}.results[${i}].driver`, driver),
      ...(pool ? [] : [required(`${field}.results[${i}].pool`)]),
      ...named(`${field}.results[${i}].device`, device, dnsLabel),
    ]),
    ...config.flatMap((one, i) => [
      ...oneOf(`${field}.config[${i}].source`, one.source, ['FromClaim', 'FromClass']),
      ...configurationErrors(`${field}.config[${i}]`, one),
    ]),
  ];
}
