import type { Service } from '../../api/types.ts';
import { isAddressService } from '../../edge/gateway/addresses.ts';
import { checkBackend, checkEndpoints, serviceText } from './endpoints.ts';
import { type Facts, isOver } from './facts.ts';
import { checkGateway } from './gateways/gateways.ts';
import { checkParents } from './gateways/routes.ts';
import { gatewayWorld } from './gateways/world.ts';
import { checkIngress } from './ingresses.ts';
import { type Check, type Finding, Report } from './model.ts';
import { checkNode } from './nodes.ts';
import { checkPod } from './pods.ts';

export interface Sweep {
  readonly looked: {
    readonly services: number;
    readonly ingresses: number;
    readonly policies: number;
    readonly nodes: number;
    readonly pods: number;
    /** Not there in a cluster without the Gateway API, or where they may not be read. */
    readonly gateways?: number;
    readonly routes?: number;
  };
  /** Worst first: what breaks most comes before what breaks little. */
  readonly findings: readonly Finding[];
  readonly notes: readonly Check[];
}

/** Every Service, Ingress, Gateway, route, NetworkPolicy, node and pod of a cluster, by objects alone. */
export async function sweep(facts: Facts): Promise<Sweep> {
  const report = new Report();
  const [services, ingresses, policies, nodes, pods] = await Promise.all([
    facts.services(),
    facts.ingresses(),
    facts.policies(),
    facts.nodes(),
    facts.pods(),
  ]);
  for (const node of nodes) checkNode(report, node);
  for (const service of services) await sweepService(report, facts, service);
  for (const ingress of ingresses) await checkIngress(report, facts, ingress);
  const gateways = await sweepGateways(report, facts);
  for (const pod of pods) if (!isOver(pod.status?.phase)) await checkPod(report, facts, pod);
  await sweepPolicies(report, facts);
  return {
    looked: {
      services: services.length,
      ingresses: ingresses.length,
      policies: policies.length,
      nodes: nodes.length,
      pods: pods.length,
      ...gateways,
    },
    findings: report.findings.sort((a, b) => weight(report, b) - weight(report, a)),
    notes: report.checks.filter(({ outcome }) => outcome === 'unknown'),
  };
}

async function sweepGateways(report: Report, facts: Facts): Promise<Pick<Sweep['looked'], 'gateways' | 'routes'>> {
  const world = await gatewayWorld(facts);
  if (world === undefined) return {};
  if (world === 'forbidden') {
    report.unknown('gateway', 'you may not read Gateways');
    return {};
  }
  for (const gateway of world.gateways) await checkGateway(report, facts, world, gateway);
  for (const route of world.routes) checkParents(report, world, route);
  return { gateways: world.gateways.length, routes: world.routes.length };
}

async function sweepService(report: Report, facts: Facts, service: Service): Promise<void> {
  const { type, ports = [], loadBalancerClass } = service.spec ?? {};
  // What holds a Gateway's address has no pods, and the Gateway says where it has none.
  if (type === 'ExternalName' || isAddressService(service)) return;
  for (const port of ports) {
    const backends = await checkEndpoints(report, facts, service, port);
    for (const backend of backends) await checkBackend(report, facts, service, backend, backends.length > 1);
  }
  if (type === 'LoadBalancer' && !service.status?.loadBalancer?.ingress?.length) {
    const evidence = loadBalancerClass ? [`class: ${loadBalancerClass}`] : [];
    report.fail(
      'exposure',
      'LB_PENDING',
      serviceText(service),
      `${serviceText(service)} has no load balancer address yet`,
      {
        evidence,
      },
    );
  }
}

/** A policy that selects nobody protects nobody: its author meant somebody. */
async function sweepPolicies(report: Report, facts: Facts): Promise<void> {
  for (const { metadata, spec } of await facts.policies()) {
    const wanted = spec?.podSelector?.matchLabels ?? {};
    if (Object.keys(wanted).length === 0) continue;
    const selected = await facts.podsWith(metadata?.namespace ?? '', wanted);
    if (selected.length > 0) continue;
    report.note('policy', `NetworkPolicy ${metadata?.namespace}/${metadata?.name} selects no pod`);
  }
}

/** How much hangs on a finding: what follows from it, then whether it breaks all or a part. */
function weight(report: Report, finding: Finding): number {
  const id = `${finding.code} ${finding.subject}`;
  const followers = report.findings.filter(({ causedBy }) => causedBy.includes(id)).length;
  const isNode = finding.code.startsWith('NODE_') || finding.code.startsWith('DNS_') ? 100 : 0;
  return isNode + followers * 10 + (finding.partial ? 0 : 1);
}
