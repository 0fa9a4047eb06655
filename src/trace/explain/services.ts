import type { Pod, Service, ServicePort } from '../../api/types.ts';
import { contains } from '../predict/services.ts';
import { type Backend, checkBackend, checkEndpoints, serviceText } from './endpoints.ts';
import { type Facts, keyOf } from './facts.ts';
import type { Report } from './model.ts';
import { nearest } from './near.ts';

/** Who asks. Outside clients come by addresses of the cloud, all others by the cluster's own. */
export type Asker =
  | { readonly kind: 'pod'; readonly pod: Pod; readonly text: string }
  | { readonly kind: 'node'; readonly name: string; readonly addresses: readonly string[]; readonly text: string }
  | { readonly kind: 'outside'; readonly address?: string; readonly text: string };

/** The L7 proxy asks on behalf of others, by node ports or straight to pods: its Services need no address outside. */
export const proxy = { kind: 'proxy' } as const;

export type Sender = Asker | typeof proxy;

export interface Asked {
  /** By number, or by name. */
  readonly port?: number | string;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
}

const named = (port: ServicePort): string =>
  `${port.name ? `${port.name} ` : ''}${port.port}/${port.protocol ?? 'TCP'}`;

/** Finds a Service, or says which may have been meant. */
export async function findService(
  report: Report,
  facts: Facts,
  namespace: string,
  name: string,
): Promise<Service | undefined> {
  const service = await facts.service(namespace, name);
  if (service) return service;
  const here = (await facts.services(namespace)).map(({ metadata }) => metadata?.name ?? '');
  const elsewhere = (await facts.services()).filter(({ metadata }) => metadata?.name === name).map(keyOf);
  const near = [...elsewhere, ...nearest(name, here)];
  const evidence =
    near.length > 0 ? [`there is: ${near.join(', ')}`] : [`the namespace ${namespace} has ${here.length} Services`];
  report.fail('service', 'SVC_NOT_FOUND', `Service ${namespace}/${name}`, `there is no Service ${namespace}/${name}`, {
    evidence,
  });
  return undefined;
}

/** The port that is meant; `undefined` with a finding where the Service does not have it. */
export function findPort(report: Report, service: Service, { port, protocol }: Asked): ServicePort | undefined {
  const ports = service.spec?.ports ?? [];
  const ofProtocol = ports.filter((each) => (each.protocol ?? 'TCP').toLowerCase() === protocol);
  const is = (each: ServicePort) => each.port === Number(port) || each.name === port;
  const found = port === undefined ? (ofProtocol[0] ?? ports[0]) : ofProtocol.find(is);
  if (found && (found.protocol ?? 'TCP').toLowerCase() === protocol) return found;
  const other = found ?? ports.find(is);
  const evidence = [`it has: ${ports.map(named).join(', ') || 'no port'}`];
  if (other) {
    const message = `port ${other.port} of ${serviceText(service)} is ${other.protocol}, not ${protocol.toUpperCase()}`;
    report.fail('port', 'SVC_PROTOCOL_MISMATCH', serviceText(service), message, { evidence });
  } else {
    const message = `${serviceText(service)} has no port ${port}`;
    report.fail('port', 'SVC_PORT_UNKNOWN', serviceText(service), message, { evidence });
  }
  return undefined;
}

/** From a Service's port to the endpoints that this asker can be led to. */
export async function checkService(
  report: Report,
  facts: Facts,
  service: Service,
  asked: Asked,
  from: Sender,
): Promise<Backend[]> {
  const { type = 'ClusterIP', clusterIP, sessionAffinity } = service.spec ?? {};
  const port = findPort(report, service, asked);
  if (!port) return [];
  const virtual = clusterIP === 'None' ? 'headless' : (clusterIP ?? '');
  report.pass('service', `${keyOf(service)} is ${type}, ${virtual}, port ${named(port)}`);
  if (from.kind === 'outside' && !checkExposure(report, service, port, from)) return [];
  const backends = await checkEndpoints(report, facts, service, port);
  for (const backend of backends) await checkBackend(report, facts, service, backend, backends.length > 1);
  if (clusterIP === 'None' && from.kind !== 'proxy') checkHeadlessPort(report, service, port, backends);
  const local = checkLocality(report, service, from, backends);
  if (from.kind === 'outside' && local.length > 0) await checkBalancedNodes(report, facts, service, local);
  if (sessionAffinity === 'ClientIP' && local.length > 1) {
    const seconds = service.spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800;
    const message = `${serviceText(service)} leads each client to one of its ${local.length} endpoints for ${seconds} s`;
    report.note('affinity', message);
  }
  return local;
}

/** Whether a client outside has an address to come by. */
function checkExposure(report: Report, service: Service, port: ServicePort, from: Asker): boolean {
  const { type = 'ClusterIP', externalIPs = [], loadBalancerSourceRanges = [] } = service.spec ?? {};
  if (type === 'LoadBalancer') {
    const given = service.status?.loadBalancer?.ingress ?? [];
    if (given.length === 0) {
      const evidence = [`class: ${service.spec?.loadBalancerClass ?? 'none asked for'}`];
      const message = `${serviceText(service)} has no load balancer address yet`;
      report.fail('exposure', 'LB_PENDING', serviceText(service), message, { evidence });
      return false;
    }
    const address = from.kind === 'outside' ? from.address : undefined;
    if (loadBalancerSourceRanges.length > 0 && address && !contains(loadBalancerSourceRanges, address)) {
      const message = `${serviceText(service)} admits ${loadBalancerSourceRanges.join(', ')}, and ${from.text} is ${address}`;
      report.fail('exposure', 'LB_SOURCE_RANGE', serviceText(service), message);
      return false;
    }
    report.pass('exposure', `by the load balancer at ${given.map(({ ip, hostname }) => ip ?? hostname).join(', ')}`);
    return true;
  }
  if (type === 'NodePort' && port.nodePort) {
    report.pass('exposure', `by port ${port.nodePort} of every node`);
    return true;
  }
  if (externalIPs.length > 0) return true;
  const message = `${serviceText(service)} is of type ${type}: it has no address for ${from.text}`;
  report.fail('exposure', 'SVC_NOT_EXPOSED', serviceText(service), message);
  return false;
}

/** The endpoints that policies about nodes leave for this asker. */
function checkLocality(report: Report, service: Service, from: Sender, backends: readonly Backend[]): Backend[] {
  const isInside = from.kind === 'pod' || from.kind === 'node';
  if (service.spec?.internalTrafficPolicy !== 'Local' || !isInside || backends.length === 0) return [...backends];
  const node = from.kind === 'pod' ? from.pod.spec?.nodeName : from.name;
  const local = backends.filter(({ nodeName }) => nodeName === node);
  if (local.length > 0) return local;
  const message = `${serviceText(service)} leads only to pods of the asker's node, and ${node} has none`;
  const evidence = [`its pods are on ${[...new Set(backends.map(({ nodeName }) => nodeName))].join(', ')}`];
  report.fail('endpoints', 'SVC_INTERNAL_LOCAL_EMPTY', serviceText(service), message, { evidence });
  return [];
}

async function checkBalancedNodes(
  report: Report,
  facts: Facts,
  service: Service,
  backends: readonly Backend[],
): Promise<void> {
  const nodes = (await facts.nodes()).filter(
    ({ metadata }) => !('node.kubernetes.io/exclude-from-external-load-balancers' in (metadata?.labels ?? {})),
  );
  if (nodes.length === 0) {
    report.fail('exposure', 'LB_NO_NODE', serviceText(service), 'every node is excluded from load balancers');
    return;
  }
  if (service.spec?.externalTrafficPolicy !== 'Local') return;
  const serving = new Set(backends.map(({ nodeName }) => nodeName));
  const without = nodes.filter(({ metadata }) => !serving.has(metadata?.name));
  if (without.length === 0) return;
  const names = without.map(({ metadata }) => metadata?.name).join(', ');
  report.note(
    'exposure',
    `externalTrafficPolicy is Local: ${names} ${without.length === 1 ? 'has' : 'have'} no pod of it`,
  );
}

function checkHeadlessPort(report: Report, service: Service, port: ServicePort, backends: readonly Backend[]): void {
  const [first] = backends;
  if (!first || first.port === port.port) return;
  const message = `${serviceText(service)} is headless: its name leads to pods, which listen on ${first.port} and not on ${port.port}`;
  report.fail('port', 'SVC_HEADLESS_PORT', serviceText(service), message);
}

/** The node port's Service, asked at a node's own address. */
export async function checkNodePort(report: Report, facts: Facts, node: string, asked: Asked): Promise<Backend[]> {
  const all = await facts.services();
  const has = (port: ServicePort) =>
    port.nodePort === Number(asked.port) && (port.protocol ?? 'TCP').toLowerCase() === asked.protocol;
  const service = all.find(({ spec }) => spec?.ports?.some(has));
  const port = service?.spec?.ports?.find(has);
  if (!service || !port) {
    const known = all.flatMap(({ spec }) => (spec?.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []));
    const evidence = [`node ports in use: ${known.slice(0, 10).join(', ') || 'none'}`];
    report.fail('port', 'NODE_PORT_UNKNOWN', `node port ${asked.port}`, `no Service has the node port ${asked.port}`, {
      evidence,
    });
    return [];
  }
  report.pass('port', `node port ${asked.port} is ${keyOf(service)} ${named(port)}`);
  const backends = await checkEndpoints(report, facts, service, port);
  if (service.spec?.externalTrafficPolicy !== 'Local' || backends.length === 0) return backends;
  const local = backends.filter(({ nodeName }) => nodeName === node);
  if (local.length > 0) return local;
  const message = `${serviceText(service)} answers only at nodes that have its pods, and ${node} has none`;
  const evidence = [`its pods are on ${[...new Set(backends.map(({ nodeName }) => nodeName))].join(', ')}`];
  report.fail('endpoints', 'EXTERNAL_LOCAL_EMPTY', serviceText(service), message, { evidence });
  return [];
}
