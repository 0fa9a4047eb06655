import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { dnsSubdomain, labelValue, qualifiedName, type Rule } from '../api/kinds/names.ts';
import { familyOf, parseCIDR } from '../base/cidr.ts';
import { KnitError, messageOf } from '../base/errors.ts';
import { parsePublication } from '../edge/publish.ts';
import { kubeletSpec } from './spec-kubelet.ts';
import { askedNetwork, nodeSpecs } from './spec-values.ts';

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const name = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(dnsLabel, { error: "must be lower-case letters, digits and '-', and begin and end with a letter or digit" });

/** An IPv4 network, an IPv6 network, or one of each, apart by a comma, as Kubernetes' own flags take them. */
const cidrs = z.string().superRefine((text, context) => {
  const networks = text.split(',');
  const families = new Set(networks.map(familyOf));
  try {
    networks.forEach(parseCIDR);
    if (families.size < networks.length)
      throw new KnitError('CIDR_INVALID', 'must be one network, or one of each family');
  } catch (error) {
    const hint = error instanceof KnitError && error.hint ? `; ${error.hint}` : '';
    context.addIssue({ code: 'custom', message: `${messageOf(error)}${hint}` });
  }
});

/** A string that a rule of Kubernetes' own has nothing against. */
const ruled = (rule: Rule) =>
  z.string().superRefine((text, context) => {
    const message = rule(text);
    if (message) context.addIssue({ code: 'custom', message });
  });

const publication = z.string().superRefine((text, context) => {
  try {
    parsePublication(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be PORT:ingress/NAME or PORT:service/NAMESPACE/NAME:PORT' });
  }
});

const absolutePath = z.string().regex(/^\//, { error: 'must be an absolute path' });

const nodeSpec = z.strictObject({
  name: name(32),
  labels: z.record(ruled(qualifiedName), ruled(labelValue)).default({}),
  kubelet: kubeletSpec.optional(),
});

/**
 * `cluster.yaml`, as documented in docs/cluster-file.md. What is left out is chosen when the cluster is made, so that
 * clusters side by side and the machine's own networks never overlap.
 */
const clusterSpec = z.strictObject({
  apiVersion: z.literal('knit.dev/v1alpha1'),
  kind: z.literal('Cluster'),
  name: name(20).optional(),
  nodes: z
    .union([z.int().min(1).max(100), z.array(nodeSpec).min(1).max(100)], {
      error: 'must be a number from 1 to 100, or a list of nodes: [{ name: node-1 }]',
    })
    .default(3),
  /** Nodes that only seem to be: for controllers and for scale. */
  hollowNodes: z.int().min(0).max(10_000).default(0),
  network: z
    .strictObject({
      podNetwork: z.enum(['routes', 'vxlan']).default('routes'),
      ipFamily: z.enum(['ipv4', 'ipv6', 'dual']).default('ipv4'),
      podCIDR: cidrs.optional(),
      serviceCIDR: cidrs.optional(),
      nodeCIDR: cidrs.optional(),
      clientCIDR: cidrs.optional(),
      loadBalancerCIDR: cidrs.optional(),
      uplink: z.enum(['user', 'nat', 'none']).default('user'),
    })
    .prefault({}),
  proxy: z.strictObject({ mode: z.enum(['nftables', 'iptables', 'none']).default('nftables') }).prefault({}),
  loadBalancer: z
    .strictObject({
      healthCheck: z
        .strictObject({
          intervalMs: z.int().min(50).max(300_000).default(500),
          timeoutMs: z.int().min(50).max(60_000).default(500),
          healthyThreshold: z.int().min(1).max(10).default(1),
          unhealthyThreshold: z.int().min(1).max(10).default(2),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Defines the Gateway API's kinds; Gateways of the class `knit` are served wherever the kinds come from. */
  gatewayAPI: z.boolean().default(false),
  api: z
    .strictObject({
      port: z.int().min(1).max(65535).optional(),
      /** A file with an audit.k8s.io/v1 Policy. */
      auditPolicy: absolutePath.optional(),
      /** A file with an apiserver.config.k8s.io/v1 EncryptionConfiguration. */
      encryptionConfiguration: absolutePath.optional(),
    })
    .prefault({}),
  dns: z
    .strictObject({
      domain: ruled(dnsSubdomain).default('cluster.local'),
      replicas: z.int().min(1).max(100).default(2),
    })
    .prefault({}),
  kubelet: kubeletSpec.optional(),
  clients: z.array(name(11)).default(['alice']),
  publish: z.array(publication).default([]),
  registries: z
    .strictObject({
      /** Registry host → where to ask instead, in this order: `docker.io: [http://10.0.0.5:5000]`. */
      mirrors: z.record(z.string(), z.array(z.url())).default({}),
      /** Registry host → PEM file of the CA that signed its certificate. */
      cas: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
});

export type ClusterSpec = z.infer<typeof clusterSpec>;
export type NodeSpec = z.infer<typeof nodeSpec>;

/**
 * Reads a cluster file. Throws `SPEC_INVALID` with one line for each thing that is wrong: its path, what stands there
 * and what is allowed.
 */
export function parseClusterSpec(text: string, source: string): ClusterSpec {
  let document: unknown;
  try {
    document = parseYaml(text);
  } catch (error) {
    throw new KnitError('SPEC_INVALID', `${source} is no YAML: ${messageOf(error)}`, hint);
  }
  return checkClusterSpec(withoutEmpty(document), source);
}

/** A field that stands in the file with nothing after it (`network:`) is one that was left out. */
function withoutEmpty(value: unknown): unknown {
  if (!value || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (each === null ? [] : [[key, withoutEmpty(each)]])),
  );
}

/** The same for a value, as a program gives it. */
export function checkClusterSpec(document: unknown, source: string): ClusterSpec {
  const result = clusterSpec.safeParse(document, { reportInput: true });
  if (!result.success) {
    const lines = result.error.issues.flatMap(withinUnion).map((issue) => `  ${describe(issue, document)}`);
    throw new KnitError('SPEC_INVALID', `${source} is not a cluster file:\n${lines.join('\n')}`, hint);
  }
  checkNames(result.data, source);
  checkFamilies(result.data, source);
  return result.data;
}

/** A node as `knit node add` names it. Throws `SPEC_INVALID`. */
export function checkNodeSpec(node: NodeSpec): void {
  checkClusterSpec({ apiVersion: 'knit.dev/v1alpha1', kind: 'Cluster', nodes: [node] }, 'the command line');
}

/** A client as `knit client add` names it. Throws `SPEC_INVALID`. */
export function checkClientName(client: string): void {
  checkClusterSpec({ apiVersion: 'knit.dev/v1alpha1', kind: 'Cluster', clients: [client] }, 'the command line');
}

/** The cluster that is made where nobody says otherwise. */
export function defaultClusterSpec(): ClusterSpec {
  return clusterSpec.parse({ apiVersion: 'knit.dev/v1alpha1', kind: 'Cluster' });
}

const hint = 'docs/cluster-file.md has every field; leave out what you do not want to choose';

/** What is wrong with the form that was meant: that of the list, where `nodes` is a list. */
function withinUnion(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const meant = issue.errors.find((branch) => branch.every((each) => each.path.length > 0));
  return meant?.map((each) => ({ ...each, path: [...issue.path, ...each.path] })) ?? [issue];
}

function describe(issue: z.core.$ZodIssue, document: unknown): string {
  const path = formatPath(issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${joinPath(path, key)}: unknown field`).join('\n  ');
  const value = valueAt(document, issue.path);
  const allowed = issue.message
    .replace(/^Invalid (input|option): expected /, 'must be ')
    .replace(/, received \w+$/, '');
  return `${path || 'the document'}: ${value === undefined ? 'missing' : JSON.stringify(value)}: ${allowed}`;
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : joinPath(text, String(part))),
    '',
  );
}

function joinPath(path: string, key: string): string {
  return path ? `${path}.${key}` : key;
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (value && typeof value === 'object' ? (value as Record<PropertyKey, unknown>)[part] : undefined),
    document,
  );
}

function checkNames(spec: ClusterSpec, source: string): void {
  const names = nodeSpecs(spec).map((node) => node.name);
  for (const [kind, all] of [
    ['nodes', names],
    ['clients', spec.clients],
  ] as const) {
    const twice = all.find((each, index) => all.indexOf(each) !== index);
    if (twice === undefined) continue;
    throw new KnitError('SPEC_INVALID', `${source}: two ${kind} are named ${twice}`, `names of ${kind} are unique`);
  }
}

function checkFamilies({ network }: ClusterSpec, source: string): void {
  if (network.ipFamily === 'dual') return;
  const [own, other] = network.ipFamily === 'ipv6' ? (['IPv6', 'ipv4'] as const) : (['IPv4', 'ipv6'] as const);
  for (const field of ['podCIDR', 'serviceCIDR', 'nodeCIDR', 'clientCIDR', 'loadBalancerCIDR'] as const) {
    if (askedNetwork(network[field], other) === undefined) continue;
    throw new KnitError(
      'SPEC_INVALID',
      `${source}: network.${field}: ${network[field]}: the cluster has ${own} only`,
      `ask for the other family: network: { ipFamily: ${other} }, or for both: dual`,
    );
  }
}
