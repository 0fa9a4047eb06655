import { podQuantities } from '../../api/pod-resources.ts';
import { formatQuantity } from '../../api/quantity.ts';
import type { Container, Pod } from '../../api/types.ts';
import { quantity } from '../resources.ts';
import type { Observations } from './pressure.ts';
import { amountOf, SIGNALS, type StarvedResource, type Threshold } from './thresholds.ts';

/** What a pod uses of that which the node runs short of. */
export interface PodUsage {
  readonly total: number;
  /** By container. */
  readonly containers: ReadonlyMap<string, number>;
}

export type UsageOf = (pod: Pod) => PodUsage | undefined;

/**
 * Pods in the order in which they are ended: those that use more than they asked for first, then by priority, then by
 * how much more (https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/). Of process numbers
 * nothing can be asked for.
 */
export function rankPods(pods: readonly Pod[], resource: StarvedResource, usage: UsageOf): Pod[] {
  const excess = (pod: Pod): number => {
    const used = usage(pod);
    // What cannot be measured goes first.
    return used ? used.total - requestOf(pod, resource) : Number.POSITIVE_INFINITY;
  };
  const exceeds = (pod: Pod) => (resource === 'pids' ? 0 : Number(excess(pod) > 0));
  return [...pods].sort(
    (a, b) => exceeds(b) - exceeds(a) || priorityOf(a) - priorityOf(b) || compare(excess(b), excess(a)),
  );
}

const priorityOf = (pod: Pod): number => pod.spec?.priority ?? 0;
const compare = (a: number, b: number): number => (a === b ? 0 : a - b);

function requestOf(pod: Pod, resource: StarvedResource): number {
  const asked = podQuantities(pod.spec, 'requests').get(resource);
  return asked ? Number(asked.nanos) / 1e9 : 0;
}

/** Why a pod was ended, in the kubelet's words. */
export function evictionMessage(
  pod: Pod,
  threshold: Threshold,
  observations: Observations,
  usage: PodUsage | undefined,
): string {
  const { resource } = SIGNALS[threshold.signal];
  const observed = observations.get(threshold.signal);
  const parts = [`The node was low on resource: ${resource}. `];
  if (observed) {
    const bound = spell(resource, amountOf(threshold.value, observed.capacity));
    parts.push(`Threshold quantity: ${bound}, available: ${spell(resource, observed.available)}. `);
  }
  const containers: readonly Container[] = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  for (const [name, used] of usage?.containers ?? []) {
    const container = containers.find((each) => each.name === name);
    const asked = container?.resources?.requests?.[resource] ?? '0';
    if (!container || used <= quantity(asked)) continue;
    const text = `was using ${spell(resource, used)}, request is ${asked}, has larger consumption of ${resource}. `;
    parts.push(`Container ${name} ${text}`);
  }
  return parts.join('');
}

/** As Kubernetes writes amounts of bytes (`100Mi`) and of all else. */
function spell(resource: StarvedResource, amount: number): string {
  const isBytes = resource === 'memory' || resource === 'ephemeral-storage';
  return formatQuantity({
    nanos: BigInt(Math.floor(amount)) * 1_000_000_000n,
    format: isBytes ? 'BinarySI' : 'DecimalSI',
  });
}
