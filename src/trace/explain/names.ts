import type { Pod, Service } from '../../api/types.ts';
import { checkEndpoints } from './endpoints.ts';
import { type Facts, keyOf } from './facts.ts';
import { Report, roots } from './model.ts';
import { nearest } from './near.ts';
import { podText } from './pods.ts';
import { checkPolicies } from './policies.ts';
import { type Asker, findService } from './services.ts';

/** What a name of the cluster leads to. */
export type Named =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'pod'; readonly pod: Pod }
  | { readonly kind: 'address'; readonly address: string }
  /** A name that others answer for. */
  | { readonly kind: 'elsewhere'; readonly name: string };

const dnsPort = 53;
/** An alias of an alias of …: more is a loop. */
const mostAliases = 8;

/** Whether the asker can ask DNS at all, and what the name leads to. */
export async function checkName(report: Report, facts: Facts, name: string, from: Asker): Promise<Named | undefined> {
  const whole = await qualify(facts, name, from);
  if (from.kind === 'pod' && whole !== undefined) {
    if (!checkDnsPolicy(report, from.pod, name, facts.domain)) return undefined;
    if (!(await checkDnsService(report, facts, from.pod))) return undefined;
  }
  if (whole === undefined) {
    report.note('name', `${name} is no name of the cluster: DNS asks others for it`);
    return { kind: 'elsewhere', name };
  }
  return await follow(report, facts, whole, from, 0);
}

/** `[service, namespace]` or more labels below `svc`, as the search path of a pod finds it; or `pod` names. */
interface Whole {
  readonly labels: readonly string[];
  readonly below: 'svc' | 'pod';
}

/** `undefined` for names that are not the cluster's. */
async function qualify(facts: Facts, name: string, from: Asker): Promise<Whole | undefined> {
  const bare = name.toLowerCase().replace(/\.$/, '');
  const domain = `.${facts.domain}`;
  if (bare.endsWith(domain)) return wholeOf(bare.slice(0, -domain.length));
  if (name.endsWith('.') || from.kind !== 'pod') return undefined;
  const namespace = from.pod.metadata?.namespace ?? 'default';
  const labels = bare.split('.');
  if (labels.at(-1) === 'svc' || labels.at(-1) === 'pod') return wholeOf(bare);
  if (labels.length === 1) return { labels: [bare, namespace], below: 'svc' };
  if (
    labels.length === 2 &&
    ((await facts.namespace(labels[1] ?? '')) || !/\.[a-z]{2,}$/.test(bare) || !isPublic(bare))
  )
    return { labels, below: 'svc' };
  // A pod of a headless Service in the asker's namespace: HOST.SERVICE
  return undefined;
}

/** A name of two labels may be a host on the internet: `example.com`. */
const isPublic = (name: string): boolean => /\.(com|org|net|io|dev|cloud|local|internal|test|example)$/.test(name);

function wholeOf(path: string): Whole | undefined {
  const labels = path.split('.');
  const below = labels.at(-1);
  if (below !== 'svc' && below !== 'pod') return undefined;
  return { labels: labels.slice(0, -1), below };
}

async function follow(
  report: Report,
  facts: Facts,
  whole: Whole,
  from: Asker,
  aliases: number,
): Promise<Named | undefined> {
  const full = `${whole.labels.join('.')}.${whole.below}.${facts.domain}`;
  const namespace = whole.labels.at(-1) ?? '';
  if (!(await facts.namespace(namespace))) {
    const near = nearest(
      namespace,
      (await facts.namespaces()).map(({ metadata }) => metadata?.name ?? ''),
    );
    const evidence = near.length > 0 ? [`there is the namespace ${near.join(', ')}`] : [];
    report.fail('name', 'DNS_NAME_UNKNOWN', full, `${full}: there is no namespace ${namespace}`, { evidence });
    return undefined;
  }
  if (whole.below === 'pod') return { kind: 'address', address: (whole.labels[0] ?? '').replaceAll('-', '.') };
  const [service, host] = [whole.labels.at(-2) ?? '', whole.labels.at(-3)];
  const found = await findService(report, facts, namespace, service);
  if (!found) return undefined;
  if (host !== undefined && !host.startsWith('_')) return await hostOf(report, facts, found, host, full);
  const target = found.spec?.externalName;
  if (found.spec?.type !== 'ExternalName' || target === undefined) {
    report.pass(
      'name',
      `${full} → ${found.spec?.clusterIP === 'None' ? 'the pods of' : found.spec?.clusterIP} ${keyOf(found)}`,
    );
    return { kind: 'service', service: found };
  }
  report.pass('name', `${full} is an alias of ${target}`);
  const next = await qualify(facts, `${target.replace(/\.$/, '')}.`, from);
  if (!next) return { kind: 'elsewhere', name: target };
  const inner = await facts.service(next.labels.at(-1) ?? '', next.labels.at(-2) ?? '');
  if (inner && aliases < mostAliases) return await follow(report, facts, next, from, aliases + 1);
  const message = `Service ${keyOf(found)} is an alias of ${target}, ${inner ? 'which leads back to it' : 'which is not there'}`;
  report.fail('name', 'SVC_EXTERNAL_NAME_BROKEN', `Service ${keyOf(found)}`, message);
  return undefined;
}

/** A pod of a headless Service by its own name. */
async function hostOf(
  report: Report,
  facts: Facts,
  service: Service,
  host: string,
  full: string,
): Promise<Named | undefined> {
  const { namespace = '', name = '' } = service.metadata ?? {};
  const slices = await facts.slices(namespace, name);
  const endpoints = slices.flatMap((slice) => slice.endpoints ?? []);
  const found = endpoints.find(({ hostname, conditions }) => hostname === host && conditions?.ready !== false);
  if (found) {
    report.pass('name', `${full} → ${found.addresses[0]}`);
    return { kind: 'address', address: found.addresses[0] ?? '' };
  }
  const known = endpoints.flatMap(({ hostname }) => hostname ?? []);
  const evidence = [`it has: ${known.join(', ') || 'no pod with a hostname'}`];
  report.fail('name', 'DNS_NAME_UNKNOWN', full, `${full}: Service ${keyOf(service)} has no pod named ${host}`, {
    evidence,
  });
  return undefined;
}

function checkDnsPolicy(report: Report, pod: Pod, name: string, domain: string): boolean {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec ?? {};
  const effective = hostNetwork && dnsPolicy === 'ClusterFirst' ? 'Default' : dnsPolicy;
  if (
    effective === 'Default' ||
    (effective === 'None' && !dnsConfig?.searches?.some((each) => each.endsWith(domain)))
  ) {
    const why = hostNetwork && dnsPolicy === 'ClusterFirst' ? 'with hostNetwork that means the node’s' : 'the node’s';
    const message = `${podText(pod)} has dnsPolicy ${dnsPolicy}: it asks ${effective === 'None' ? 'whom dnsConfig says' : why} resolver`;
    report.fail('dns', 'DNS_POLICY_NOT_CLUSTER', podText(pod), message);
    return false;
  }
  const ndots = dnsConfig?.options?.find((option) => option.name === 'ndots')?.value;
  const dots = name.split('.').length - 1;
  const short = !name.endsWith('.') && !name.endsWith(domain);
  if (ndots === undefined || !short || dots < Number(ndots)) return true;
  const message = `${podText(pod)} has ndots:${ndots}: ${name}, with ${dots} dots, is asked as it is first and not below the search path`;
  report.fail('dns', 'DNS_NDOTS_LOW', podText(pod), message);
  return false;
}

/** DNS is a Service like others: it must be there, have pods, and be admitted by policies. */
async function checkDnsService(report: Report, facts: Facts, pod: Pod): Promise<boolean> {
  const dns = await facts.service('kube-system', 'kube-dns');
  if (!dns) {
    report.fail(
      'dns',
      'DNS_SERVICE_MISSING',
      'Service kube-system/kube-dns',
      'there is no Service kube-system/kube-dns',
    );
    return false;
  }
  const port = dns.spec?.ports?.find(({ port: number }) => number === dnsPort);
  const backends = await checkEndpoints(new Report(), facts, dns, port);
  if (backends.length === 0) {
    // Once more, to be told.
    await checkEndpoints(report, facts, dns, port);
    const causedBy = roots(report.findings);
    report.fail('dns', 'DNS_DOWN', 'Service kube-system/kube-dns', 'no DNS pod is ready', { causedBy });
    return false;
  }
  const sub = new Report();
  for (const backend of backends) {
    const connection = {
      source: { address: pod.status?.podIP ?? '', pod },
      destination: { address: backend.address, ...(backend.pod ? { pod: backend.pod } : {}) },
      protocol: 'udp',
      port: backend.port,
    } as const;
    const denied = await checkPolicies(sub, facts, connection);
    if (!denied) {
      report.pass('dns', `${backends.length} DNS pods are ready`);
      return true;
    }
    if (backend !== backends.at(-1)) continue;
    const message = `${podText(pod)} may not ask DNS: ${denied.message}`;
    report.fail('dns', 'NET_POLICY_DNS_DENIED', denied.subject, message, { evidence: denied.evidence });
  }
  return false;
}
