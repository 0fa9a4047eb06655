import type { Schema } from './schema.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Kinds that every group has, under whatever version it has. */
const common = new Set(['DeleteOptions', 'Status', 'WatchEvent']);

/** What discovery tells, under the version of core. */
const discovery = new Set(['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions']);

/** Groups whose Go package is not named for the first word of the group. */
const prefixes: Readonly<Record<string, string>> = {
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  'internal.apiserver.k8s.io': 'io.k8s.api.apiserverinternal',
};

/**
 * The definition of a kind of Kubernetes' own, also of one that is only the body of a subresource: `policy/v1`,
 * `Eviction` → `io.k8s.api.policy.v1.Eviction`. `undefined` where the schema has none.
 */
export function definitionOf(schema: Schema, apiVersion: string, kind: string): string | undefined {
  if (common.has(kind) || (apiVersion === 'v1' && discovery.has(kind))) return `${meta}.${kind}`;
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  const name = `${prefixes[group!] ?? `io.k8s.api.${group!.split('.')[0]}`}.${version}.${kind}`;
  return schema.definition(name) && name;
}
