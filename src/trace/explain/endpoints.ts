import { compileLabels } from '../../api/selectors.ts';
import type { EndpointSlice, Labels, Pod, Service, ServicePort } from '../../api/types.ts';
import { contains } from '../predict/services.ts';
import { type Facts, isOver, keyOf } from './facts.ts';
import type { Finding, Report } from './model.ts';
import { nearestLabels } from './near.ts';
import { checkPod, podText, troubleOf } from './pods.ts';

/** Where a Service's port leads to. */
export interface Backend {
  readonly address: string;
  readonly port: number;
  readonly nodeName?: string;
  readonly pod?: Pod;
}

/** More endpoints than these are not looked at one by one. */
export const mostBackends = 20;

export const serviceText = (service: Service): string => `Service ${keyOf(service)}`;

/** Finds a port's ready endpoints; where there are none, why not. */
export async function checkEndpoints(
  report: Report,
  facts: Facts,
  service: Service,
  port: ServicePort | undefined,
): Promise<Backend[]> {
  const { namespace = '', name = '' } = service.metadata ?? {};
  const slices = await facts.slices(namespace, name);
  const backends = await backendsOf(facts, namespace, slices, port);
  const causes = await whyFewer(report, facts, service, port, slices, backends.length > 0);
  if (backends.length === 0) {
    report.fail('endpoints', 'SVC_NO_ENDPOINTS', serviceText(service), `${serviceText(service)} has no endpoint`, {
      causedBy: causes,
    });
    return [];
  }
  const shown = backends.slice(0, 4).map(({ pod, address }) => (pod ? `${pod.metadata?.name}` : address));
  const more = backends.length > shown.length ? ` and ${backends.length - shown.length} more` : '';
  report.pass('endpoints', `${backends.length} ready: ${shown.join(', ')}${more}`);
  return backends;
}

async function backendsOf(
  facts: Facts,
  namespace: string,
  slices: readonly EndpointSlice[],
  port: ServicePort | undefined,
): Promise<Backend[]> {
  const found: Backend[] = [];
  for (const slice of slices) {
    const wanted = slice.ports?.find((each) => (each.name ?? '') === (port?.name ?? ''));
    const number = port ? wanted?.port : 0;
    if (number === undefined) continue;
    for (const { addresses, conditions, nodeName, targetRef } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      const pod = targetRef?.kind === 'Pod' ? await facts.pod(namespace, targetRef.name ?? '') : undefined;
      for (const address of addresses) found.push({ address, port: number, nodeName, ...(pod ? { pod } : {}) });
    }
  }
  return found;
}

/** Why the Service has fewer endpoints than its author may have meant; without any, these are the roots. */
async function whyFewer(
  report: Report,
  facts: Facts,
  service: Service,
  port: ServicePort | undefined,
  slices: readonly EndpointSlice[],
  some: boolean,
): Promise<Finding[]> {
  const { namespace = '' } = service.metadata ?? {};
  const selector = service.spec?.selector;
  if (!selector || Object.keys(selector).length === 0) {
    if (some || slices.some(({ endpoints }) => endpoints?.length)) return [];
    const message = `${serviceText(service)} has no selector, and nobody wrote an EndpointSlice for it`;
    return [report.fail('selector', 'SVC_NO_SELECTOR', serviceText(service), message)];
  }
  const selected = (await facts.podsWith(namespace, selector)).filter(({ status }) => !isOver(status?.phase));
  if (selected.length === 0) return [await nobodySelected(report, facts, service, selector)];
  report.pass('selector', `${labelText(selector)} matches ${selected.length} pods`);
  const findings: Finding[] = [];
  for (const pod of selected.filter((each) => troubleOf(each) !== undefined)) {
    const found = await checkPod(report, facts, pod, some);
    if (found) findings.push(found);
  }
  const unnamed = unnamedPort(selected, port);
  if (unnamed && !some) {
    const names = [...new Set(selected.flatMap(portNames))].join(', ') || 'none';
    const message = `no pod of ${serviceText(service)} has a port named ${unnamed}`;
    const evidence = [`named ports of its pods: ${names}`];
    findings.push(report.fail('port', 'SVC_TARGET_PORT_UNNAMED', serviceText(service), message, { evidence }));
  }
  return findings;
}

async function nobodySelected(report: Report, facts: Facts, service: Service, selector: Labels): Promise<Finding> {
  const { namespace = '' } = service.metadata ?? {};
  const ended = (await facts.podsWith(namespace, selector)).find(({ status }) => isOver(status?.phase));
  if (ended) {
    const { code = 'POD_ENDED', message = `${podText(ended)} has ended` } = troubleOf(ended) ?? {};
    return report.fail('selector', code, podText(ended), message);
  }
  const others = await facts.pods(namespace);
  const near = nearestLabels(
    selector,
    others.map(({ metadata }) => metadata?.labels ?? {}),
  );
  const nearPod = near && others.find(({ metadata }) => (metadata?.labels ?? {}) === near.labels);
  const evidence = [
    `selector: ${labelText(selector)}`,
    ...(near && nearPod
      ? [
          `nearest: ${podText(nearPod)} has ${near.missing.map((key) => `${key}=${near.labels[key] ?? '(none)'}`).join(', ')}`,
        ]
      : [`the namespace ${namespace} has ${others.length} pods`]),
  ];
  const elsewhere = near
    ? []
    : (await facts.pods()).filter((pod) => compileLabels(selector).matches(pod.metadata?.labels));
  if (elsewhere[0]) evidence.push(`${podText(elsewhere[0])} matches, and is in another namespace`);
  const message = `the selector of ${serviceText(service)} matches no pod`;
  return report.fail('selector', 'SVC_SELECTOR_NO_MATCH', serviceText(service), message, { evidence });
}

function unnamedPort(selected: readonly Pod[], port: ServicePort | undefined): string | undefined {
  const name = port?.targetPort;
  if (typeof name !== 'string' || /^\d+$/.test(name)) return undefined;
  return selected.some((pod) => portNames(pod).includes(name)) ? undefined : name;
}

const portNames = ({ spec }: Pod): string[] =>
  (spec?.containers ?? []).flatMap(({ ports }) => (ports ?? []).flatMap(({ name }) => name ?? []));

export const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');

/** Endpoints that somebody wrote by hand, or that are left over, may lead to nobody. */
export async function checkBackend(report: Report, facts: Facts, service: Service, backend: Backend, partial: boolean) {
  const { address, pod } = backend;
  if (pod) {
    const known = [pod.status?.podIP, ...(pod.status?.podIPs ?? []).map(({ ip }) => ip)];
    if (known.includes(address)) return;
    staleEndpoint(report, service, address, `${podText(pod)} has ${known[0] ?? 'no address'}`, partial);
    return;
  }
  const nodes = await facts.nodes();
  const ofPods = contains(
    nodes.flatMap(({ spec }) => spec?.podCIDRs ?? []),
    address,
  );
  if (!ofPods || (await facts.podAt(address))) return;
  staleEndpoint(report, service, address, `no pod has ${address}, which is in a node's pod CIDR`, partial);
}

function staleEndpoint(report: Report, service: Service, address: string, evidence: string, partial: boolean): void {
  const message = `${serviceText(service)} leads to ${address}, where no pod is`;
  report.fail('endpoints', 'SVC_ENDPOINT_NOT_A_POD', serviceText(service), message, { evidence: [evidence], partial });
}
