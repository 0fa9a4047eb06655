import type { FieldError } from '../../kind.ts';
import type { PodSpec, PodTemplateSpec } from '../../types.ts';
import { validateIp } from '../addresses.ts';
import { all, duplicate, each, forbidden, invalid, oneOf, required, tooLong } from '../errors.ts';
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
  return all(
    validateVolumes(spec.volumes ?? [], `${field}.volumes`),
    validateContainers(spec, field),
    oneOf(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    validateDns(spec, field),
    validateTimes(spec, field),
    validateNames(spec, field),
    validateHostnameOverride(spec, `${field}.hostnameOverride`),
    validateScheduling(spec, field),
    spec.securityContext && validatePodSecurity(spec.securityContext, `${field}.securityContext`),
    spec.hostAliases && validateHostAliases(spec.hostAliases, `${field}.hostAliases`),
    spec.readinessGates && validateReadinessGates(spec, `${field}.readinessGates`),
    spec.overhead && validateAmounts(spec.overhead, `${field}.overhead`),
    spec.resources && validatePodResources(spec, `${field}.resources`),
  );
}

/** A pod template: labels, annotations, specification. */
export function validatePodTemplate(template: PodTemplateSpec | undefined, field: string): FieldError[] {
  return all(
    validateLabels(template?.metadata?.labels, `${field}.labels`),
    validateAnnotations(template?.metadata?.annotations, `${field}.annotations`),
    validatePodSpec(template?.spec, `${field}.spec`),
  );
}

const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): FieldError[] {
  const servers = dnsConfig?.nameservers ?? [];
  const errors = oneOf(`${field}.dnsPolicy`, dnsPolicy, dnsPolicies);
  if (dnsPolicy === 'None' && !dnsConfig) {
    errors.push(required(`${field}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None'));
  } else if (dnsPolicy === 'None' && servers.length === 0) {
    const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    errors.push(required(`${field}.dnsConfig.nameservers`, detail));
  }
  if (servers.length > 3) {
    errors.push(invalid(`${field}.dnsConfig.nameservers`, servers, 'must not have more than 3 nameservers'));
  }
  return all(errors, dnsConfig && each(servers, `${field}.dnsConfig.nameservers`, validateIp));
}

function validateTimes(spec: PodSpec, field: string): FieldError[] {
  const deadline = spec.activeDeadlineSeconds;
  if (deadline === undefined || (deadline >= 1 && deadline <= maxInt32)) return [];
  return [invalid(`${field}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`)];
}

const namesAndRules: readonly (readonly [keyof PodSpec, Rule])[] = [
  ['serviceAccountName', dnsSubdomain],
  ['nodeName', dnsSubdomain],
  ['hostname', dnsLabel],
  ['subdomain', dnsLabel],
  ['priorityClassName', dnsSubdomain],
  ['runtimeClassName', dnsSubdomain],
];

function validateNames(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, rule] of namesAndRules) {
    const name = spec[key];
    const wrong = typeof name === 'string' && name !== '' ? rule(name) : undefined;
    if (wrong) errors.push(invalid(`${field}.${key}`, name, wrong));
  }
  return errors;
}

const MAX_HOSTNAME_OVERRIDE = 64;

/** KEP-4762 */
function validateHostnameOverride(spec: PodSpec, field: string): FieldError[] {
  const name = spec.hostnameOverride;
  if (name === undefined) return [];
  const wrong = dnsSubdomain(name);
  return all(
    spec.setHostnameAsFQDN && [forbidden(field, 'may not be specified when setHostnameAsFQDN is true')],
    spec.hostNetwork && [forbidden(field, 'may not be specified when hostNetwork is true')],
    name.length > MAX_HOSTNAME_OVERRIDE ? [tooLong(field, MAX_HOSTNAME_OVERRIDE)] : [],
    wrong ? [invalid(field, name, wrong)] : [],
  );
}

function validatePodSecurity(context: NonNullable<PodSpec['securityContext']>, field: string): FieldError[] {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups, sysctls } = context;
  return all(
    validateUserId(runAsUser, `${field}.runAsUser`),
    validateUserId(runAsGroup, `${field}.runAsGroup`),
    validateUserId(fsGroup, `${field}.fsGroup`),
    supplementalGroups && each(supplementalGroups, `${field}.supplementalGroups`, validateUserId),
    sysctls && validateSysctls(sysctls, `${field}.sysctls`),
  );
}

const MAX_SYSCTL = 253;
const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlName = new RegExp(`^(${sysctlSegment}[\\./])*${sysctlSegment}$`);

function validateSysctls(sysctls: readonly { readonly name?: string }[], field: string): FieldError[] {
  return each(sysctls, field, ({ name = '' }, place, i) => {
    const at = `${place}.name`;
    if (name === '') return [required(at)];
    if (name.length > MAX_SYSCTL || !sysctlName.test(name))
      return [invalid(at, name, `must have at most ${MAX_SYSCTL} characters and match regex ${sysctlName.source}`)];
    return sysctls.findIndex((each) => each.name === name) < i ? [duplicate(at, name)] : [];
  });
}

function validateHostAliases(aliases: NonNullable<PodSpec['hostAliases']>, field: string): FieldError[] {
  return each(aliases, field, ({ ip, hostnames }, at) =>
    all(validateIp(ip, `${at}.ip`), each(hostnames, `${at}.hostnames`, validateHostname)),
  );
}

function validateHostname(name: string, field: string): FieldError[] {
  const wrong = dnsSubdomain(name);
  return wrong ? [invalid(field, name, wrong)] : [];
}

function validateReadinessGates(spec: PodSpec, field: string): FieldError[] {
  return each(spec.readinessGates, field, ({ conditionType }, at) => {
    const wrong = qualifiedName(conditionType ?? '');
    return wrong ? [invalid(`${at}.conditionType`, conditionType ?? '', wrong)] : [];
  });
}
