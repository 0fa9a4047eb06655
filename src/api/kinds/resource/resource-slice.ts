import type * as k8s from '@kubernetes/client-node';
import type { FieldError } from '../../kind.ts';
import type { ResourceSlice, Wire } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, named, required, tooLong, unchanged } from '../errors.ts';
import { dnsLabel, dnsSubdomain } from '../names.ts';
import { driverErrors, setErrors } from './requests.ts';

type Device = Wire<k8s.V1Device>;
type Spec = NonNullable<ResourceSlice['spec']>;

const maxDevices = 128;
/** Devices with taints, counters or lists of values take more room, and fewer may be in a slice. */
const maxRichDevices = 64;
const maxPoolName = 253;
const maxProperties = 32;
const maxValue = 64;
const semanticVersion =
  /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

/** Devices that a driver offers, on one node or on several. */
export const resourceSlice = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  namespaced: false,
  generation: true,
  fieldLabels: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.driver': ({ spec }) => spec?.driver ?? '',
  },
  setDefaults({ spec }) {
    for (const { taints } of spec?.devices ?? [])
      for (const taint of taints ?? []) taint.timeAdded ??= `${new Date().toISOString().slice(0, -5)}Z`;
  },
  validate({ spec }, old): FieldError[] {
    if (!spec) return [required('spec')];
    return [
      ...driverErrors('spec.driver', spec.driver),
      ...poolErrors(spec.pool),
      ...(old
        ? [
            ...unchanged('spec.pool.name', spec.pool?.name, old.spec?.pool?.name),
            ...unchanged('spec.driver', spec.driver, old.spec?.driver),
            ...unchanged('spec.nodeName', spec.nodeName, old.spec?.nodeName),
          ]
        : []),
      ...placeErrors(spec),
      ...deviceErrors(spec),
    ];
  },
  columns: [
    nameColumn,
    text('Node', ({ spec }) => spec?.nodeName ?? '', 'The node whose devices these are.'),
    text('Driver', ({ spec }) => spec?.driver ?? '', 'Whose devices these are.'),
    text('Pool', ({ spec }) => spec?.pool?.name ?? '', 'What the slice is a part of.'),
    ageColumn,
  ],
});

function poolErrors(pool: Spec['pool'] | undefined): FieldError[] {
  const { name, resourceSliceCount = 0, generation = 0 } = pool ?? {};
  const field = 'spec.pool.name';
  const nameErrors =
    name && name.length > maxPoolName
      ? [tooLong(field, maxPoolName)]
      : name
        ? name.split('/').flatMap((part) => named(field, part, dnsSubdomain))
        : [required(field)];
  return [
    ...nameErrors,
    ...(resourceSliceCount > 0
      ? []
      : [invalid('spec.pool.resourceSliceCount', resourceSliceCount, 'must be greater than zero')]),
    ...(generation < 0 ? [invalid('spec.pool.generation', generation, 'must be greater than or equal to zero')] : []),
  ];
}

/** Exactly one of the fields must say where devices are. */
function placeErrors(spec: Spec): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['allNodes', 'perDeviceNodeSelection'] as const)
    if (spec[field] === false) errors.push(invalid(`spec.${field}`, false, 'must be either unset or set to true'));
  if (spec.nodeName === '')
    errors.push(invalid('spec.nodeName', '', 'must be either unset or set to a non-empty string'));
  const terms = spec.nodeSelector?.nodeSelectorTerms;
  if (terms && terms.length !== 1)
    errors.push(invalid('spec.nodeSelector.nodeSelectorTerms', terms, 'must have exactly one node selector term'));
  const fields = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const;
  const present = fields.filter((field) => spec[field]);
  const detail = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (present.length === 0) errors.push(required('spec', detail));
  if (present.length > 1) {
    const list = `{${present.map((field) => `\`${field}\``).join(', ')}}`;
    errors.push(invalid('spec', list, `${detail}, but multiple fields are set`));
  }
  return errors;
}

function deviceErrors(spec: Spec): FieldError[] {
  const { devices = [], sharedCounters, perDeviceNodeSelection = false } = spec;
  const max = devices.some(isRich) ? maxRichDevices : maxDevices;
  return [
    ...(sharedCounters && spec.devices
      ? [invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed')]
      : []),
    ...setErrors('spec.devices', devices, max, { of: ({ name }) => name, name: '.name' }),
    ...devices.flatMap((device, i) => {
      const field = `spec.devices[${i}]`;
      const { attributes = {}, capacity = {} } = device;
      const properties = Object.keys(attributes).length + Object.keys(capacity).length;
      const placed = ['nodeName', 'nodeSelector', 'allNodes'].filter((key) => key in device);
      return [
        ...named(`${field}.name`, device.name, dnsLabel),
        ...(properties > maxProperties
          ? [
              invalid(
                field,
                properties,
                `the total number of attributes and capacities must not exceed ${maxProperties}`,
              ),
            ]
          : []),
        ...Object.entries(attributes).flatMap(([key, value]) => attributeErrors(`${field}.attributes[${key}]`, value)),
        ...(placed.length > 0 && !perDeviceNodeSelection
          ? [
              invalid(
                field,
                undefined,
                '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
              ),
            ]
          : []),
        ...(placed.length !== 1 && perDeviceNodeSelection
          ? [
              required(
                field,
                'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
              ),
            ]
          : []),
      ];
    }),
  ];
}

const lists = ['bools', 'ints', 'strings', 'versions'] as const;

function isRich({ taints, consumesCounters, attributes = {} }: Device): boolean {
  if (taints?.length || consumesCounters?.length) return true;
  return Object.values(attributes).some((attribute) => lists.some((list) => attribute[list]));
}

function attributeErrors(field: string, attribute: Wire<k8s.V1DeviceAttribute>): FieldError[] {
  const errors: FieldError[] = [];
  if (Object.keys(attribute).length !== 1)
    errors.push(invalid(field, attribute, 'exactly one value must be specified'));
  const texts = [attribute.string, attribute.version, ...(attribute.strings ?? []), ...(attribute.versions ?? [])];
  if (texts.some((value) => value !== undefined && value.length > maxValue)) errors.push(tooLong(field, maxValue));
  for (const version of [attribute.version, ...(attribute.versions ?? [])])
    if (version !== undefined && !semanticVersion.test(version))
      errors.push(invalid(`${field}.version`, version, 'must be a string compatible with semver.org spec 2.0.0'));
  for (const list of lists)
    if (attribute[list]?.length === 0) errors.push(invalid(`${field}.${list}`, [], 'must not be empty if specified'));
  return errors;
}
