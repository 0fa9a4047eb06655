import { isIP } from 'node:net';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseCIDR } from '../../base/cidr.ts';
import { KnitError, messageOf } from '../../base/errors.ts';
import type { ProxyMode } from '../backends.ts';
import type { ListenAddress } from '../health.ts';

/** What a proxy that runs by itself takes from kube-proxy's configuration file. */
export interface ProxyConfiguration {
  readonly kubeconfig?: string;
  readonly nodeName?: string;
  readonly mode?: ProxyMode;
  readonly clusterCIDRs: readonly string[];
  /** CIDRs, or `primary`: the node's own addresses. */
  readonly nodePortAddresses: readonly string[];
  readonly healthz?: ListenAddress;
  readonly metrics?: ListenAddress;
  /** Fields of the file that mean nothing here. */
  readonly unused: readonly string[];
}

const hint = 'see https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/';

const cidr = z.string().refine(isCIDR, { error: 'is no network' });

/** The fields that apply; the others are left alone, as long as they are the API's. */
const fields = z.looseObject({
  apiVersion: z.literal('kubeproxy.config.k8s.io/v1alpha1'),
  kind: z.literal('KubeProxyConfiguration'),
  clientConnection: z.looseObject({ kubeconfig: z.string().optional() }).nullish(),
  hostnameOverride: z.string().nullish(),
  mode: z.enum(['', 'nftables', 'iptables']).nullish(),
  clusterCIDR: z
    .string()
    .refine((text) => text === '' || text.split(',').every(isCIDR), { error: 'is no network' })
    .nullish(),
  nodePortAddresses: z.array(z.union([z.literal('primary'), cidr])).nullish(),
  healthzBindAddress: z.string().nullish(),
  metricsBindAddress: z.string().nullish(),
});

const applied = new Set(Object.keys(fields.shape));

/** Reads a `KubeProxyConfiguration`. Throws `CONFIGURATION_INVALID` with each field that is wrong. */
export function parseProxyConfiguration(text: string, source: string): ProxyConfiguration {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new KnitError('CONFIGURATION_INVALID', `${source} is no YAML: ${messageOf(error)}`, hint);
  }
  const result = fields.safeParse(document);
  if (!result.success) {
    const lines = result.error.issues.map(({ path, message }) => `  ${path.join('.') || 'the document'}: ${message}`);
    throw new KnitError('CONFIGURATION_INVALID', `${source} is no KubeProxyConfiguration:\n${lines.join('\n')}`, hint);
  }
  const { data } = result;
  return {
    kubeconfig: data.clientConnection?.kubeconfig || undefined,
    nodeName: data.hostnameOverride || undefined,
    mode: data.mode || undefined,
    clusterCIDRs: data.clusterCIDR ? data.clusterCIDR.split(',') : [],
    nodePortAddresses: data.nodePortAddresses ?? [],
    healthz: listenAddress(data.healthzBindAddress, source),
    metrics: listenAddress(data.metricsBindAddress, source),
    unused: Object.keys(data).filter((field) => !applied.has(field) && !isEmpty(data[field])),
  };
}

/** `0.0.0.0:10256`, `[::]:10256`, `127.0.0.1`; empty: not said. Throws `CONFIGURATION_INVALID`. */
export function listenAddress(text: string | null | undefined, source: string): ListenAddress | undefined {
  if (!text) return undefined;
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (digits !== undefined && port <= 65535 && (host === '' || isIP(host))) {
    return { ...(host ? { host } : {}), port };
  }
  throw new KnitError('CONFIGURATION_INVALID', `${source}: ${text} is no address to listen on`, 'as in 0.0.0.0:10256');
}

/** What writing a default down leaves: `conntrack: { maxPerCore: null }`. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === 0 || value === false) return true;
  if (typeof value !== 'object') return false;
  return Object.values(value).every(isEmpty);
}

function isCIDR(text: string): boolean {
  try {
    parseCIDR(text);
    return true;
  } catch {
    return false;
  }
}
