import type { FieldError } from '../../kind.ts';
import type { Node, Taint } from '../../types.ts';
import { isCidr, validateNetwork } from '../addresses.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';
import { all, duplicate, each, forbidden, invalid, required, ruled, sameValue } from '../errors.ts';
import { labelValue, qualifiedName } from '../names.ts';
import { amountOf, validateAmount } from '../podspec/resources.ts';
import { validateTaintEffect } from '../podspec/scheduling.ts';
import { isCounted } from '../resource-names.ts';

const rolePrefix = 'node-role.kubernetes.io/';

export const node = defineKind<Node>({
  group: '',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
  shortNames: ['no'],
  hasStatus: true,
  statusOnCreate: true,
  subresources: [subresource('proxy', 'NodeProxyOptions', ['create', 'delete', 'get', 'patch', 'update'])],
  setDefaults(object) {
    object.spec ??= {};
    keepRangesTogether(object.spec);
    const { status } = object;
    if (status?.capacity) status.allocatable ??= { ...status.capacity };
  },
  /** Nobody configures kubelets by the API any more. */
  prepareForUpdate({ status }, old) {
    if (status && !old.status?.config) delete status.config;
  },
  validate(object, old, subresource): FieldError[] {
    const taints = object.spec?.taints ?? [];
    return [
      // Kubernetes, too, says `metadata` here.
      ...taints.flatMap((taint, i) => validateTaint(taint, taints.slice(0, i), `metadata.taints[${i}]`)),
      ...(subresource === 'status' ? [] : validateRanges(object.spec?.podCIDRs ?? [], 'spec.podCIDRs')),
      ...validateAmounts(object.status?.capacity, 'status.capacity'),
      ...validateAmounts(object.status?.allocatable, 'status.allocatable'),
      ...(old ? validateUpdate(object, old) : []),
    ];
  },
  fieldLabels: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  columns: [
    nameColumn,
    text('Status', statusOf, 'Whether pods can run on the node.'),
    text('Roles', rolesOf, 'What the node is for.'),
    ageColumn,
    text('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? '', 'Version of its kubelet.'),
    wide(text('Internal-IP', (one) => addressOf(one, 'InternalIP'), 'Its address in the cluster.')),
    wide(text('External-IP', (one) => addressOf(one, 'ExternalIP'), 'Its address outside the cluster.')),
    wide(text('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>', 'Its operating system.')),
    wide(text('Kernel-Version', kernelOf, 'Its kernel, and for which processors it is.')),
    wide(
      text(
        'Container-Runtime',
        ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
        'What runs its containers.',
      ),
    ),
  ],
});

/** The first range stands in a field of its own too, which is the one that counts. */
function keepRangesTogether(spec: NonNullable<Node['spec']>): void {
  const [first] = spec.podCIDRs ?? [];
  if (spec.podCIDR && spec.podCIDR !== first) spec.podCIDRs = [spec.podCIDR];
  else if (first) spec.podCIDR = first;
}

/** Kubernetes, too, writes the names with dots here, whatever they are. */
function validateAmounts(amounts: Readonly<Record<string, string>> = {}, field: string): FieldError[] {
  return Object.entries(amounts).flatMap(([name, text]) => {
    const at = `${field}.${name}`;
    const isPart = isCounted(name) && (amountOf(text) ?? 0n) % 1_000_000_000n !== 0n;
    return all(validateAmount(text, at), isPart && [invalid(at, text, 'must be an integer')]);
  });
}

function validateTaint(taint: Taint, before: readonly Taint[], field: string): FieldError[] {
  const wrongValue = labelValue(taint.value ?? '');
  const again = before.some((other) => other.key === taint.key && other.effect === taint.effect);
  return [
    ...ruled(`${field}.key`, taint.key ?? '', qualifiedName),
    ...(wrongValue ? [invalid(`${field}.value`, taint.value, wrongValue)] : []),
    ...(taint.effect ? validateTaintEffect(taint.effect, `${field}.effect`) : [required(`${field}.effect`)]),
    ...(again ? [validateAgain(taint, field)] : []),
  ];
}

function validateAgain({ key, value = '', effect, timeAdded }: Taint, field: string): FieldError {
  const again = duplicate(field, { Key: key, Value: value, Effect: effect, TimeAdded: timeAdded ?? null });
  return { ...again, message: `${again.message}: taints must be unique by key and effect pair` };
}

function validateRanges(ranges: readonly string[], field: string): FieldError[] {
  const families = ranges.filter(isCidr).map((range) => (range.includes(':') ? 6 : 4));
  const isTwice = ranges.length > 2 || new Set(families).size < families.length;
  return [
    ...ranges.flatMap((range, i) => validateNetwork(range, `${field}[${i}]`)),
    ...(ranges.length > 1 && isTwice
      ? [invalid(field, ranges, 'may specify no more than one CIDR for each IP family')]
      : []),
  ];
}

function validateUpdate({ spec: now = {}, status }: Node, { spec: before = {} }: Node): FieldError[] {
  const [ranges, old] = [now.podCIDRs ?? [], before.podCIDRs ?? []];
  const moved = old.length > 0 && (old.length !== ranges.length || old.some((range, i) => range !== ranges[i]));
  const isOther = before.providerID && before.providerID !== now.providerID;
  return all(
    validateAddresses(status?.addresses ?? []),
    moved && [forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')],
    isOther && [forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid')],
    now.externalID !== before.externalID && [forbidden('spec.externalID', 'may not be updated')],
  );
}

type Address = NonNullable<NonNullable<Node['status']>['addresses']>[number];

function validateAddresses(addresses: readonly Address[]): FieldError[] {
  const isAgain = (one: Address, i: number) => addresses.findIndex((other) => sameValue(one, other)) < i;
  return each(addresses, 'status.addresses', (one, at, i) =>
    isAgain(one, i) ? [duplicate(at, { Type: one.type, Address: one.address })] : [],
  );
}

function statusOf({ spec, status }: Node): string {
  const ready = status?.conditions?.find((one) => one.type === 'Ready');
  const state = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${state},SchedulingDisabled` : state;
}

function kernelOf({ status }: Node): string {
  const { kernelVersion, architecture } = status?.nodeInfo ?? {};
  return `${kernelVersion || '<unknown>'}${architecture ? ` (${architecture})` : ''}`;
}

function rolesOf({ metadata }: Node): string {
  const roles = Object.entries(metadata?.labels ?? {}).map(([key, value]) => {
    if (key.startsWith(rolePrefix)) return key.slice(rolePrefix.length);
    return key === 'kubernetes.io/role' ? value : '';
  });
  return [...new Set(roles.filter(Boolean))].sort().join(',') || '<none>';
}

function addressOf({ status }: Node, type: string): string {
  return status?.addresses?.find((one) => one.type === type)?.address ?? '<none>';
}
