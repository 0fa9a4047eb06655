import type { FieldError } from '../../kind.ts';
import type { Service } from '../../types.ts';
import { validateCidr, validateIp } from '../addresses.ts';
import { validateServicePoints } from '../balancer-status.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';
import { forbidden, invalid, oneOf, required, ruled } from '../errors.ts';
import { formatLabels } from '../label-selector.ts';
import { validateLabels } from '../metadata.ts';
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '../names.ts';
import { completeAddresses, validateServiceAddresses } from './service-addresses.ts';
import { formatServicePorts, validateServicePorts } from './service-ports.ts';
import { hasNodePorts, isReachable, keepAllocated, validateServiceUpdate } from './service-update.ts';

type Spec = NonNullable<Service['spec']>;

const affinitySeconds = 3 * 60 * 60;
const maxAffinitySeconds = 24 * 60 * 60;

export const service = defineKind<Service>({
  group: '',
  kind: 'Service',
  plural: 'services',
  namespaced: true,
  createdByPut: true,
  shortNames: ['svc'],
  categories: ['all'],
  hasStatus: true,
  subresources: [subresource('proxy', 'ServiceProxyOptions', ['create', 'delete', 'get', 'patch', 'update'])],
  nameRule: dnsLabel,
  setDefaults,
  warnings,
  prepareForCreate(object) {
    if (object.spec) completeAddresses(object.spec);
    object.status = { loadBalancer: {} };
  },
  prepareForUpdate(object, old, subresource) {
    if (object.spec && old.spec) keepAllocated(object.spec, old.spec);
    const isReached = object.status?.loadBalancer?.ingress !== undefined;
    if (isReached && subresource !== 'status' && object.spec?.type !== 'LoadBalancer') {
      object.status = { ...object.status, loadBalancer: {} };
    }
  },
  validate(object, old, subresource): FieldError[] {
    const spec = object.spec ?? {};
    if (subresource === 'status') {
      const [now, before] = [object.status?.loadBalancer?.ingress, old?.status?.loadBalancer?.ingress];
      return validateServicePoints(spec.type, now, before);
    }
    return [
      ...validateServicePorts(spec, 'spec.ports'),
      ...oneOf('spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']),
      ...oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']),
      ...validateLabels(spec.selector, 'spec.selector'),
      ...validateAddresses(spec, old?.spec),
      ...validateExternalName(spec),
      ...validatePolicies(spec),
      ...validateAffinityTime(spec),
      ...(old?.spec ? validateServiceUpdate(spec, old.spec) : []),
    ];
  },
  fieldLabels: {
    'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '',
    'spec.type': ({ spec }) => spec?.type ?? '',
  },
  columns: [
    nameColumn,
    text('Type', ({ spec }) => spec?.type ?? '', 'How the Service can be reached.'),
    text('Cluster-IP', ({ spec }) => spec?.clusterIP || '<none>', 'Its address inside the cluster.'),
    text('External-IP', externalAddress, 'Its addresses outside the cluster.'),
    text('Port(s)', ({ spec }) => formatServicePorts(spec?.ports ?? []), 'Its ports, with the port on every node.'),
    ageColumn,
    wide(text('Selector', ({ spec }) => formatLabels(spec?.selector), 'Labels of the pods behind it.')),
  ],
});

function setDefaults(object: Service): void {
  object.spec ??= {};
  const { metadata, spec, status } = object;
  if (spec.type === 'LoadBalancer') {
    for (const point of status?.loadBalancer?.ingress ?? []) if (point.ip) point.ipMode ??= 'VIP';
  }
  spec.type ||= 'ClusterIP';
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= affinitySeconds;
  }
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
  if (isReachable(spec)) spec.externalTrafficPolicy ||= legacyPolicy(metadata?.annotations) ?? 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

/** What the policy was called before it had a field (Kubernetes 1.4 to 1.6). */
const LEGACY_POLICIES = ['service.beta.kubernetes.io/external-traffic', 'service.alpha.kubernetes.io/external-traffic'];

function legacyPolicy(annotations: Readonly<Record<string, string>> = {}): 'Cluster' | 'Local' | undefined {
  const said = LEGACY_POLICIES.map((name) => annotations[name]).find((value) => value !== undefined);
  return said === 'OnlyLocal' ? 'Local' : undefined;
}

function warnings({ metadata, spec }: Service): string[] {
  const name = LEGACY_POLICIES.find((each) => metadata?.annotations?.[each] !== undefined);
  if (name === undefined) return [];
  const meant = legacyPolicy(metadata?.annotations) ?? 'Cluster';
  const ignored = spec?.externalTrafficPolicy && spec.externalTrafficPolicy !== meant ? ' and is ignored here' : '';
  return [
    `metadata.annotations[${name}]: deprecated since v1.7${ignored}; set spec.externalTrafficPolicy: ${meant} instead`,
  ];
}

function validateAddresses(spec: Spec, old: Spec | undefined): FieldError[] {
  return [
    ...validateServiceAddresses(spec, old?.clusterIPs),
    ...validateHeadless(spec),
    ...(spec.externalIPs ?? []).flatMap((address, i) => validateIp(address, `spec.externalIPs[${i}]`)),
    ...validateSourceRanges(spec),
  ];
}

/** Node ports lead to an address. */
function validateHeadless(spec: Spec): FieldError[] {
  const { clusterIPs = [], type } = spec;
  if (clusterIPs[0] !== 'None' || !hasNodePorts(spec)) return [];
  return [invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`)];
}

/** Kubernetes, too, begins this field's name with a capital. */
const sourceRanges = 'spec.LoadBalancerSourceRanges';

function validateSourceRanges({ type, loadBalancerSourceRanges: ranges = [] }: Spec): FieldError[] {
  if (ranges.length === 0) return [];
  const misplaced = type === 'LoadBalancer' ? [] : [forbidden(sourceRanges, onlyForLoadBalancers)];
  return [...misplaced, ...ranges.flatMap((range, i) => validateCidr(range.trim(), `${sourceRanges}[${i}]`))];
}

function validateExternalName(spec: Spec): FieldError[] {
  if (spec.type !== 'ExternalName') return [];
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  const wrong = name === '' ? undefined : dnsSubdomain(name);
  return [
    ...(['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const).flatMap((field) =>
      spec[field]?.length ? [forbidden(`spec.${field}`, 'may not be set for ExternalName services')] : [],
    ),
    ...(name === '' ? [required('spec.externalName')] : []),
    ...(wrong ? [invalid('spec.externalName', name, wrong)] : []),
  ];
}

const onlyForLoadBalancers = "may only be used when `type` is 'LoadBalancer'";
const traffic = ['Cluster', 'Local'];
const nearness = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];

function validatePolicies(spec: Spec): FieldError[] {
  const { internalTrafficPolicy: internal, trafficDistribution } = spec;
  return [
    ...validateExternalPolicy(spec),
    ...validateBalancer(spec),
    ...(internal === undefined ? [] : oneOf('spec.internalTrafficPolicy', internal, traffic)),
    ...(trafficDistribution === undefined ? [] : oneOf('spec.trafficDistribution', trafficDistribution, nearness)),
  ];
}

function validateExternalPolicy(spec: Spec): FieldError[] {
  const { type, externalTrafficPolicy: policy, healthCheckNodePort: checked } = spec;
  const errors: FieldError[] = [];
  if (policy && !hasNodePorts(spec) && !spec.externalIPs?.length) {
    errors.push(invalid('spec.externalTrafficPolicy', policy, 'may only be set for externally-accessible services'));
  } else if (policy) errors.push(...oneOf('spec.externalTrafficPolicy', policy, traffic));
  if (!checked) return errors;
  const isChecked = type === 'LoadBalancer' && policy === 'Local';
  const wrong = isChecked
    ? portNumber(checked)
    : "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
  return wrong ? [...errors, invalid('spec.healthCheckNodePort', checked, wrong)] : errors;
}

/** What only load balancers have. */
function validateBalancer(spec: Spec): FieldError[] {
  const { loadBalancerClass } = spec;
  if (spec.type !== 'LoadBalancer') {
    return (['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const).flatMap((field) =>
      spec[field] === undefined ? [] : [forbidden(`spec.${field}`, onlyForLoadBalancers)],
    );
  }
  return loadBalancerClass === undefined ? [] : ruled('spec.loadBalancerClass', loadBalancerClass, qualifiedName);
}

function validateAffinityTime(spec: Spec): FieldError[] {
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (seconds === undefined || (seconds > 0 && seconds <= maxAffinitySeconds)) return [];
  const detail = `must be greater than 0 and less than ${maxAffinitySeconds}`;
  return [invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, detail)];
}

function externalAddress({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  if (spec?.type !== 'LoadBalancer') return external.join(',') || '<none>';
  const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean);
  return [...new Set(given)].sort().concat(external).join(',') || '<pending>';
}
