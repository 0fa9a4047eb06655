import type { EndpointSlice, Service, ServicePort } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import { canonicalAddress, withoutContained } from '../base/prefixes.ts';
import { candidatesOf, type Pools, poolsOf } from './endpoints.ts';
import type { Destination, Family, FrontEnd, NodeFacts, PlanEntry, PortPlan, Protocol, ServicePlan } from './plan.ts';

/** Another proxy is asked to serve what carries the first; what carries the other is served by none. */
const OTHERS = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'];
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** `sessionAffinityConfig.clientIP.timeoutSeconds` where it is left out. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

const isForOthers = ({ metadata }: Service | EndpointSlice): boolean =>
  OTHERS.some((label) => metadata?.labels?.[label] !== undefined);

/** `namespace/name` of the Service that a slice belongs to. */
export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata?.labels?.[SERVICE_NAME_LABEL];
  return name ? `${slice.metadata?.namespace}/${name}` : undefined;
}

export function planServices(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: NodeFacts,
): ServicePlan {
  const byService = Map.groupBy(slices, serviceKeyOf);
  const plan = new Map<string, PlanEntry>();
  for (const service of services) {
    const key = `${service.metadata?.namespace}/${service.metadata?.name}`;
    const entry = planService(service, byService.get(key) ?? [], node);
    if (entry) plan.set(entry.key, entry);
  }
  return plan;
}

/** What the kernel should hold for one Service; `undefined` for headless ones, ExternalName, and other proxies'. */
export function planService(
  service: Service,
  slices: readonly EndpointSlice[],
  node: NodeFacts,
): PlanEntry | undefined {
  const { spec, metadata } = service;
  if (!spec || !metadata || spec.type === 'ExternalName') return undefined;
  if (!spec.clusterIP || spec.clusterIP === 'None') return undefined;
  if (isForOthers(service)) return undefined;
  const own = slices.filter((slice) => !isForOthers(slice));
  let localReady = 0;
  const ports: PortPlan[] = [];
  for (const family of familiesOf(service)) {
    for (const port of spec.ports ?? []) {
      const pools = poolsOf(candidatesOf(port, own, family, node), node);
      localReady = Math.max(localReady, pools.localReady);
      ports.push(planPort(service, port, family, pools));
    }
  }
  const healthPort = spec.externalTrafficPolicy === 'Local' ? spec.healthCheckNodePort : undefined;
  return {
    key: `${metadata.namespace}/${metadata.name}`,
    createdAt: metadata.creationTimestamp ?? '',
    ports,
    ...(healthPort ? { healthCheck: { port: healthPort, localEndpoints: localReady } } : {}),
  };
}

function familiesOf(service: Service): Family[] {
  const addresses = service.spec?.clusterIPs?.length ? service.spec.clusterIPs : [service.spec?.clusterIP ?? ''];
  return [...new Set(addresses.map(familyOf))];
}

function planPort(service: Service, port: ServicePort, family: Family, pools: Pools): PortPlan {
  const { spec, metadata } = service;
  const frontEnds = frontEndsOf(service, port, family, pools);
  const names = (pool: 'cluster' | 'local') =>
    frontEnds.some((front) => front.fromCluster === pool || front.fromOutside === pool);
  const affinity =
    spec?.sessionAffinity === 'ClientIP'
      ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
      : undefined;
  return {
    label: `${metadata?.namespace}/${metadata?.name}:${port.name ?? port.port}`,
    ...(port.name ? { portName: port.name } : {}),
    family,
    protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
    frontEnds,
    pools: {
      ...(names('cluster') ? { cluster: pools.cluster } : {}),
      ...(names('local') ? { local: pools.local } : {}),
    },
    ...(affinity === undefined ? {} : { affinitySeconds: affinity }),
  };
}

function frontEndsOf(service: Service, port: ServicePort, family: Family, pools: Pools): FrontEnd[] {
  const spec = service.spec ?? {};
  const ofFamily = (addresses: readonly (string | undefined)[]): string[] =>
    addresses.flatMap((text) => canonicalAddress(text ?? '') ?? []).filter((address) => familyOf(address) === family);
  const internal = destinationOf(spec.internalTrafficPolicy, pools);
  const cluster = destinationOf('Cluster', pools);
  const external = destinationOf(spec.externalTrafficPolicy, pools);
  const clusterIPs = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP];
  // Pods and the node reach every endpoint through outside addresses too: they need not leave the cluster first.
  const outside = { port: port.port, fromCluster: cluster, fromOutside: external };
  const sourceRanges = sourceRangesOf(service, family);
  return [
    ...ofFamily(clusterIPs).map(
      (address): FrontEnd => ({
        kind: 'ClusterIP',
        address,
        port: port.port,
        fromCluster: internal,
        fromOutside: internal,
      }),
    ),
    ...ofFamily(spec.externalIPs ?? []).map((address): FrontEnd => ({ kind: 'ExternalIP', address, ...outside })),
    ...ofFamily(ingressOf(service)).map(
      (address): FrontEnd => ({
        kind: 'LoadBalancer',
        address,
        ...outside,
        ...(sourceRanges ? { sourceRanges } : {}),
      }),
    ),
    ...(port.nodePort ? [{ kind: 'NodePort', ...outside, port: port.nodePort } satisfies FrontEnd] : []),
  ];
}

function destinationOf(policy: string | undefined, pools: Pools): Destination {
  if (policy !== 'Local') return pools.cluster.length > 0 ? 'cluster' : 'refuse';
  if (pools.local.length > 0) return 'local';
  return pools.anywhere ? 'drop' : 'refuse';
}

/** Addresses whose packets arrive untranslated; with `ipMode: Proxy` the load balancer speaks for itself (KEP-1860). */
function ingressOf(service: Service): (string | undefined)[] {
  if (service.spec?.type !== 'LoadBalancer') return [];
  return (service.status?.loadBalancer?.ingress ?? [])
    .filter((ingress) => ingress.ipMode !== 'Proxy')
    .map((ingress) => ingress.ip);
}

function sourceRangesOf(service: Service, family: Family): readonly string[] | undefined {
  const ranges = (service.spec?.loadBalancerSourceRanges ?? [])
    .map((range) => range.trim())
    .filter((range) => familyOf(range.split('/')[0] ?? '') === family);
  return ranges.length === 0 || ranges.some((range) => range.endsWith('/0')) ? undefined : withoutContained(ranges);
}
