import type { Container, Pod } from '../api/types.ts';
import { quantity, type ResourceList } from './resources.ts';

/** What a pod's fields are taken from besides its object. */
export interface FieldSource {
  readonly pod: Pod;
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
  /** What a container without a limit could use at most. */
  readonly allocatable: ResourceList;
}

/** The value of a `fieldRef` (KEP-less, "Downward API"); throws for a path that has none. */
export function fieldValue(source: FieldSource, fieldPath: string): string {
  const { metadata, spec } = source.pod;
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (entry) return metadata?.[entry[1] as 'labels' | 'annotations']?.[entry[2] ?? ''] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return metadata?.name ?? '';
    case 'metadata.namespace':
      return metadata?.namespace ?? '';
    case 'metadata.uid':
      return metadata?.uid ?? '';
    case 'metadata.labels':
      return formatMap(metadata?.labels);
    case 'metadata.annotations':
      return formatMap(metadata?.annotations);
    case 'spec.nodeName':
      return spec?.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? 'default';
    case 'status.hostIP':
      return source.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return source.hostIPs.join(',');
    case 'status.podIP':
      return source.podIPs[0] ?? '';
    case 'status.podIPs':
      return source.podIPs.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${fieldPath}`);
  }
}

/** `key="value"` lines, sorted, as the downward API writes labels and annotations. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

export interface ResourceFieldRef {
  readonly containerName?: string;
  readonly resource: string;
  readonly divisor?: string;
}

/** The value of a `resourceFieldRef`, rounded up to a multiple of its divisor (default 1: cores or bytes). */
export function resourceFieldValue(source: FieldSource, ref: ResourceFieldRef, own?: Container): string {
  const container = ref.containerName ? containerNamed(source.pod, ref.containerName) : own;
  if (!container) throw new Error(`container ${ref.containerName ?? ''} not found`);
  const [kind, ...rest] = ref.resource.split('.');
  const name = rest.join('.');
  if (kind !== 'limits' && kind !== 'requests') throw new Error(`unsupported container resource: ${ref.resource}`);
  const asked = container.resources?.[kind]?.[name];
  const fallback = kind === 'limits' ? source.allocatable[name] : container.resources?.limits?.[name];
  const divisor = quantity(ref.divisor) || 1;
  return String(Math.ceil(quantity(asked ?? fallback) / divisor));
}

function containerNamed(pod: Pod, name: string): Container | undefined {
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((found) => found.name === name);
}
