import type { FieldError } from '../../kind.ts';
import type { PodSpec, PodTemplateSpec } from '../../types.ts';
import { validateIp } from '../addresses.ts';
import { duplicate, invalid, oneOf, required } from '../errors.ts';
import { validateAnnotations, validateLabels } from '../metadata.ts';
import { dnsLabel, dnsSubdomain, qualifiedName, type Rule } from '../names.ts';
import { validateContainers, validateUserId } from './containers.ts';
import { validatePodResources } from './pod-resources.ts';
import { validateAmounts } from './resources.ts';
import { validateScheduling } from './scheduling.ts';
import { validateVolumes } from './volumes.ts';

const maxInt32 = 2147483647;

/** What a pod's specification must hold, wherever it stands. */
export function validatePodSpec(spec: PodSpec | undefined, field: string): FieldError[] {
  if (!spec) return [required(`${field}.containers`)];
  return [
    ...validateVolumes(spec.volumes ?? [], `${field}.volumes`),
    ...validateContainers(spec, field),
    ...oneOf(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    ...validateDns(spec, field),
    ...validateTimes(spec, field),
    ...validateNames(spec, field),
    ...validateScheduling(spec, field),
    ...validatePodSecurity(spec.securityContext, `${field}.securityContext`),
    ...validateHostAliases(spec.hostAliases ?? [], `${field}.hostAliases`),
    ...validateReadinessGates(spec, `${field}.readinessGates`),
    ...validateAmounts(spec.overhead, `${field}.overhead`),
    ...validatePodResources(spec, `${field}.resources`),
  ];
}

/** A pod template: labels, annotations, specification. */
export function validatePodTemplate(template: PodTemplateSpec | undefined, field: string): FieldError[] {
  return [
    ...validateLabels(template?.metadata?.labels, `${field}.labels`),
    ...validateAnnotations(template?.metadata?.annotations, `${field}.annotations`),
    ...validatePodSpec(template?.spec, `${field}.spec`),
  ];
}

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): FieldError[] {
  const known = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
  const servers = dnsConfig?.nameservers ?? [];
  const errors = oneOf(`${field}.dnsPolicy`, dnsPolicy, known);
  if (dnsPolicy === 'None' && !dnsConfig) {
    errors.push(required(`${field}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None'));
  } else if (dnsPolicy === 'None' && servers.length === 0) {
    const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    errors.push(required(`${field}.dnsConfig.nameservers`, detail));
  }
  if (servers.length > 3) {
    errors.push(invalid(`${field}.dnsConfig.nameservers`, servers, 'must not have more than 3 nameservers'));
  }
  const wrong = servers.flatMap((server, i) => validateIp(server, `${field}.dnsConfig.nameservers[${i}]`));
  return [...errors, ...wrong];
}

function validateTimes(spec: PodSpec, field: string): FieldError[] {
  const deadline = spec.activeDeadlineSeconds;
  if (deadline === undefined || (deadline >= 1 && deadline <= maxInt32)) return [];
  return [invalid(`${field}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`)];
}

function validateNames(spec: PodSpec, field: string): FieldError[] {
  const rules: readonly [keyof PodSpec, Rule][] = [
    ['serviceAccountName', dnsSubdomain],
    ['nodeName', dnsSubdomain],
    ['hostname', dnsLabel],
    ['subdomain', dnsLabel],
    ['priorityClassName', dnsSubdomain],
    ['runtimeClassName', dnsSubdomain],
  ];
  return rules.flatMap(([key, rule]) => {
    const name = spec[key];
    const wrong = typeof name === 'string' && name !== '' ? rule(name) : undefined;
    return wrong ? [invalid(`${field}.${key}`, name, wrong)] : [];
  });
}

function validatePodSecurity(context: PodSpec['securityContext'], field: string): FieldError[] {
  return [
    ...validateUserId(context?.runAsUser, `${field}.runAsUser`),
    ...validateUserId(context?.runAsGroup, `${field}.runAsGroup`),
    ...validateUserId(context?.fsGroup, `${field}.fsGroup`),
    ...(context?.supplementalGroups ?? []).flatMap((id, i) => validateUserId(id, `${field}.supplementalGroups[${i}]`)),
    ...validateSysctls(context?.sysctls ?? [], `${field}.sysctls`),
  ];
}

const MAX_SYSCTL = 253;
const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlName = new RegExp(`^(${sysctlSegment}[\\./])*${sysctlSegment}$`);

function validateSysctls(sysctls: readonly { readonly name?: string }[], field: string): FieldError[] {
  return sysctls.flatMap(({ name = '' }, i) => {
    const at = `${field}[${i}].name`;
    if (name === '') return [required(at)];
    if (name.length > MAX_SYSCTL || !sysctlName.test(name))
      return [invalid(at, name, `must have at most ${MAX_SYSCTL} characters and match regex ${sysctlName.source}`)];
    return sysctls.findIndex((each) => each.name === name) < i ? [duplicate(at, name)] : [];
  });
}

function validateHostAliases(aliases: NonNullable<PodSpec['hostAliases']>, field: string): FieldError[] {
  return aliases.flatMap(({ ip, hostnames }, i) => [
    ...validateIp(ip, `${field}[${i}].ip`),
    ...(hostnames ?? []).flatMap((name, j) => {
      const wrong = dnsSubdomain(name);
      return wrong ? [invalid(`${field}[${i}].hostnames[${j}]`, name, wrong)] : [];
    }),
  ]);
}

function validateReadinessGates(spec: PodSpec, field: string): FieldError[] {
  return (spec.readinessGates ?? []).flatMap(({ conditionType }, i) => {
    const wrong = qualifiedName(conditionType ?? '');
    return wrong ? [invalid(`${field}[${i}].conditionType`, conditionType ?? '', wrong)] : [];
  });
}
