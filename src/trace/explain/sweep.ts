import type { Service } from '../../api/types.ts';
import { gatewayAddressClass } from '../../edge/loadbalancer/addresses.ts';
import { checkBackend, checkEndpoints, serviceText } from './endpoints.ts';
import { type Facts, isOver } from './facts.ts';
import { checkIngress } from './ingresses.ts';
import { type Check, type Finding, Report } from './model.ts';
import { checkNode } from './nodes.ts';
import { checkPod } from './pods.ts';
import type { Asker } from './services.ts';

export interface Sweep {
  readonly looked: {
    readonly services: number;
    readonly ingresses: number;
    readonly policies: number;
    readonly nodes: number;
    readonly pods: number;
  };
  /** Worst first: what breaks most comes before what breaks little. */
  readonly findings: readonly Finding[];
  readonly notes: readonly Check[];
}

const somebody: Asker = { kind: 'outside', text: 'somebody' };

/** Every Service, Ingress, NetworkPolicy, node and pod of a cluster, by objects alone. */
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
  for (const ingress of ingresses) await checkIngress(report, facts, ingress, somebody);
  for (const pod of pods) if (!isOver(pod.status?.phase)) await checkPod(report, facts, pod);
  await sweepPolicies(report, facts);
  return {
    looked: {
      services: services.length,
      ingresses: ingresses.length,
      policies: policies.length,
      nodes: nodes.length,
      pods: pods.length,
    },
    findings: report.findings.sort((a, b) => weight(report, b) - weight(report, a)),
    notes: report.checks.filter(({ outcome }) => outcome === 'unknown'),
  };
}

async function sweepService(report: Report, facts: Facts, service: Service): Promise<void> {
  const { type, ports = [], loadBalancerClass } = service.spec ?? {};
  if (type === 'ExternalName') return;
  // What holds a Gateway's address has no pods.
  for (const port of loadBalancerClass === gatewayAddressClass ? [] : ports) {
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
