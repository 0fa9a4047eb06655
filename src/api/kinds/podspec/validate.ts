import type { FieldError } from '../../kind.ts';
import type { Container, ObjectMeta, PodSpec, PodTemplateSpec } from '../../types.ts';
import { validateIp } from '../addresses.ts';
import { all, each, forbidden, invalid, oneOf, required, ruled, tooLong } from '../errors.ts';
import { validateAnnotations, validateLabels } from '../metadata.ts';
import { dnsLabel, dnsSubdomain, dnsSubdomainWithUnderscore, qualifiedName, type Rule } from '../names.ts';
import { validateResourceClaims } from './claims.ts';
import { validateContainers, validateHostNetworkPorts } from './containers.ts';
import { validateOs } from './os.ts';
import { validatePodResources } from './pod-resources.ts';
import { validateContainerResources } from './resources.ts';
import { validateScheduling } from './scheduling.ts';
import { validatePodSecurity } from './security.ts';
import { validateTokens, validateVolumes } from './volumes.ts';

const maxInt32 = 2147483647;

/** What a pod's specification must hold, wherever it stands. `pod`: the metadata of the pod that it makes. */
export function validatePodSpec(spec: PodSpec | undefined, field: string, pod?: ObjectMeta): FieldError[] {
  if (!spec) return [required(`${field}.containers`)];
  const volumes = validateVolumes(spec.volumes ?? [], `${field}.volumes`, pod);
  return all(
    volumes.errors,
    spec.resourceClaims && validateResourceClaims(spec.resourceClaims, `${field}.resourceClaims`),
    validateContainers(spec, field, volumes.sound, pod !== undefined),
    pod && !spec.serviceAccountName && validateTokens(spec.volumes, `${field}.volumes`),
    spec.hostNetwork && validateHostNetworkPorts(spec, field, pod !== undefined),
    oneOf(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    validateDns(spec, field),
    validateTimes(spec, field),
    validateNames(spec, field),
    validateHostnameOverride(spec, `${field}.hostnameOverride`),
    validateScheduling(spec, field, pod),
    spec.securityContext && validatePodSecurity(spec.securityContext, `${field}.securityContext`),
    validateProcesses(spec, field),
    validateHostUsers(spec, field),
    spec.hostAliases && validateHostAliases(spec.hostAliases, `${field}.hostAliases`),
    spec.readinessGates && validateReadinessGates(spec, `${field}.readinessGates`),
    spec.preemptionPolicy !== undefined && validatePreemption(spec.preemptionPolicy, `${field}.preemptionPolicy`),
    spec.overhead && validateContainerResources({ limits: spec.overhead }, `${field}.overhead`, []),
    spec.os && validateOs(spec, field),
    spec.resources && validatePodResources(spec, `${field}.resources`),
  );
}

/** A pod template: labels, annotations, specification. */
export function validatePodTemplate(template: PodTemplateSpec | undefined, field: string): FieldError[] {
  const ephemeral = template?.spec?.ephemeralContainers?.length;
  return all(
    validateLabels(template?.metadata?.labels, `${field}.labels`),
    validateAnnotations(template?.metadata?.annotations, `${field}.annotations`),
    validatePodSpec(template?.spec, `${field}.spec`),
    ephemeral && [forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')],
  );
}

const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): FieldError[] {
  const ofPolicy = oneOf(`${field}.dnsPolicy`, dnsPolicy, dnsPolicies);
  const at = `${field}.dnsConfig`;
  if (dnsPolicy === 'None' && !dnsConfig) {
    return [...ofPolicy, required(at, 'must provide `dnsConfig` when `dnsPolicy` is None')];
  }
  if (dnsPolicy === 'None' && !dnsConfig?.nameservers?.length) {
    const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    return [...ofPolicy, required(`${at}.nameservers`, detail)];
  }
  return all(ofPolicy, dnsConfig && validateDnsConfig(dnsConfig, at));
}

type DnsConfig = NonNullable<PodSpec['dnsConfig']>;

const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_LIST = 2048;

/** The limits are those of resolvers in C libraries. */
function validateDnsConfig({ nameservers = [], searches = [], options }: DnsConfig, field: string): FieldError[] {
  const at = `${field}.searches`;
  const manyServers = `must not have more than ${MAX_NAMESERVERS} nameservers`;
  const manySearches = `must not have more than ${MAX_SEARCHES} search paths`;
  const longSearches = `must not have more than ${MAX_SEARCH_LIST} characters (including spaces) in the search list`;
  return all(
    nameservers.length > MAX_NAMESERVERS && [invalid(`${field}.nameservers`, nameservers, manyServers)],
    each(nameservers, `${field}.nameservers`, validateIp),
    searches.length > MAX_SEARCHES && [invalid(at, searches, manySearches)],
    Buffer.byteLength(searches.join(' ')) > MAX_SEARCH_LIST && [invalid(at, searches, longSearches)],
    each(searches, at, validateSearch),
    each(options, `${field}.options`, ({ name }, place) => (name ? [] : [required(place, 'must not be empty')])),
  );
}

/** A lone dot searches the root only. */
function validateSearch(search: string, field: string): FieldError[] {
  return search === '.' ? [] : ruled(field, search.replace(/\.$/, ''), dnsSubdomainWithUnderscore);
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
];

function validateNames(spec: PodSpec, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, rule] of namesAndRules) {
    const name = spec[key];
    if (typeof name === 'string' && name !== '') errors.push(...ruled(`${field}.${key}`, name, rule));
  }
  const { runtimeClassName: name } = spec;
  return name === undefined ? errors : [...errors, ...ruled(`${field}.runtimeClassName`, name, dnsSubdomain)];
}

const MAX_HOSTNAME_OVERRIDE = 64;

/** KEP-4762 */
function validateHostnameOverride(spec: PodSpec, field: string): FieldError[] {
  const name = spec.hostnameOverride;
  if (name === undefined) return [];
  return all(
    spec.setHostnameAsFQDN && [forbidden(field, 'may not be specified when setHostnameAsFQDN is true')],
    spec.hostNetwork && [forbidden(field, 'may not be specified when hostNetwork is true')],
    name.length > MAX_HOSTNAME_OVERRIDE ? [tooLong(field, MAX_HOSTNAME_OVERRIDE)] : [],
    ruled(field, name, dnsSubdomain),
  );
}

function validateHostAliases(aliases: NonNullable<PodSpec['hostAliases']>, field: string): FieldError[] {
  return each(aliases, field, ({ ip, hostnames }, at) =>
    all(validateIp(ip, `${at}.ip`), each(hostnames, `${at}.hostnames`, validateHostname)),
  );
}

function validateHostname(name: string, field: string): FieldError[] {
  return ruled(field, name, dnsSubdomain);
}

function validateReadinessGates(spec: PodSpec, field: string): FieldError[] {
  return each(spec.readinessGates, field, ({ conditionType }, at) =>
    ruled(`${at}.conditionType`, conditionType ?? '', qualifiedName),
  );
}

function validatePreemption(policy: string, field: string): FieldError[] {
  return policy ? oneOf(field, policy, ['PreemptLowerPriority', 'Never']) : [required(field)];
}

/** One that shares its processes among its containers cannot share the host's. */
function validateProcesses({ shareProcessNamespace, hostPID }: PodSpec, field: string): FieldError[] {
  if (!shareProcessNamespace || !hostPID) return [];
  const detail = 'ShareProcessNamespace and HostPID cannot both be enabled';
  return [invalid(`${field}.securityContext.shareProcessNamespace`, true, detail)];
}

/** A pod with users of its own cannot have the host's other namespaces (KEP-127). */
function validateHostUsers(spec: PodSpec, field: string): FieldError[] {
  if (spec.hostUsers !== false) return [];
  const detail = 'when `hostUsers` is false';
  return all(
    spec.hostNetwork && [forbidden(`${field}.hostNetwork`, detail)],
    spec.hostPID && [forbidden(`${field}.HostPID`, detail)],
    spec.hostIPC && [forbidden(`${field}.HostIPC`, detail)],
    (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
      each<Pick<Container, 'volumeDevices'>>(spec[list], `${field}.${list}`, ({ volumeDevices }, at) =>
        volumeDevices?.length ? [forbidden(`${at}.volumeDevices`, detail)] : [],
      ),
    ),
  );
}
