import type { FieldError } from '../../kind.ts';
import type { Node, Taint } from '../../types.ts';
import { isCidr, validateNetwork } from '../addresses.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';
import { duplicate, forbidden, invalid, required } from '../errors.ts';
import { labelValue, qualifiedName } from '../names.ts';
import { validateAmounts } from '../podspec/resources.ts';
import { validateTaintEffect } from '../podspec/scheduling.ts';

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
    if (object.spec.podCIDR && !object.spec.podCIDRs?.length) object.spec.podCIDRs = [object.spec.podCIDR];
    const { status } = object;
    if (status?.capacity) status.allocatable ??= { ...status.capacity };
  },
  validate(object, old): FieldError[] {
    const taints = object.spec?.taints ?? [];
    return [
      // Kubernetes, too, says `metadata` here.
      ...taints.flatMap((taint, i) => validateTaint(taint, taints.slice(0, i), `metadata.taints[${i}]`)),
      ...validateRanges(object.spec?.podCIDRs ?? [], 'spec.podCIDRs'),
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

function validateTaint(taint: Taint, before: readonly Taint[], field: string): FieldError[] {
  const wrongKey = qualifiedName(taint.key ?? '');
  const wrongValue = labelValue(taint.value ?? '');
  const again = before.some((other) => other.key === taint.key && other.effect === taint.effect);
  return [
    ...(wrongKey ? [invalid(`${field}.key`, taint.key ?? '', wrongKey)] : []),
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

function validateUpdate(object: Node, old: Node): FieldError[] {
  const [before, now] = [old.spec ?? {}, object.spec ?? {}];
  const errors: FieldError[] = [];
  if (before.podCIDR && before.podCIDR !== now.podCIDR) {
    errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  }
  if (before.providerID && before.providerID !== now.providerID) {
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  }
  return errors;
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
