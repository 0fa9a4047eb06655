import type { Pod } from '../api/types.ts';
import type { DNSConfig } from './cri/messages.ts';

export interface ClusterDNS {
  readonly servers: readonly string[];
  /** `cluster.local` */
  readonly domain: string;
}

interface ResolvConf {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** resolv.conf(5) reads three servers, and glibc since 2.26 any number of searches; Kubernetes allows 32. */
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;

/** A pod's resolver settings from its `dnsPolicy` and `dnsConfig`; `host` is the node's own resolv.conf, as text. */
export function podDNS(pod: Pod, cluster: ClusterDNS, host: string): DNSConfig {
  const asked = pod.spec?.dnsConfig;
  const base = baseOf(pod, cluster, parseResolvConf(host));
  const options = (asked?.options ?? []).map(({ name = '', value }) =>
    value === undefined ? name : `${name}:${value}`,
  );
  return {
    servers: unique([...base.servers, ...(asked?.nameservers ?? [])]).slice(0, MAX_SERVERS),
    searches: unique([...base.searches, ...(asked?.searches ?? [])]).slice(0, MAX_SEARCHES),
    options: mergeOptions(base.options, options),
  };
}

function baseOf(pod: Pod, cluster: ClusterDNS, host: ResolvConf): ResolvConf {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  const clusterFirst = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec?.hostNetwork);
  if (!clusterFirst || cluster.servers.length === 0) return host;
  const namespace = pod.metadata?.namespace ?? 'default';
  const services = `svc.${cluster.domain}`;
  return {
    servers: cluster.servers,
    searches: [`${namespace}.${services}`, services, cluster.domain, ...host.searches],
    options: mergeOptions(host.options, ['ndots:5']),
  };
}

function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let searches: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0]) servers.push(values[0]);
    if (keyword === 'search' || keyword === 'domain') searches = values.filter((value) => value !== '.');
    if (keyword === 'options') options.push(...values);
  }
  return { servers, searches, options };
}

/** Of two settings of one option (`ndots:2`, `ndots:5`) the later one holds. */
function mergeOptions(base: readonly string[], over: readonly string[]): string[] {
  const nameOf = (option: string) => option.split(':')[0] ?? option;
  const overridden = new Set(over.map(nameOf));
  return unique([...base.filter((option) => !overridden.has(nameOf(option))), ...over]);
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];
