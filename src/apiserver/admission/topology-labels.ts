import { nodes } from '../../api/resource.ts';
import type { KubeObject } from '../../api/types.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';
import { newPod } from './pods.ts';

const copied = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'];

/** Tells a pod by labels in which zone and region the node is that it is bound to (KEP-4742). */
export function podTopologyLabels(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    admit(request) {
      const node = nodeOf(request);
      const object = request.object;
      if (!node || !object) return undefined;
      const labels = cache.resource(nodes).get(objectKey(nodes, '', node))?.labels ?? {};
      const present = copied.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]] as const]));
      if (present.length === 0) return undefined;
      object.metadata = {
        ...object.metadata,
        labels: { ...object.metadata?.labels, ...Object.fromEntries(present) },
      };
      return undefined;
    },
  };
}

/** The node that a new pod names itself, or that it is being bound to. */
function nodeOf(request: AdmissionRequest): string | undefined {
  if (request.objectKind?.kind !== 'Binding') return newPod(request)?.spec?.nodeName;
  const { target } = request.object as KubeObject & { target?: { kind?: string; name?: string } };
  return target?.kind === 'Node' ? target.name : undefined;
}
