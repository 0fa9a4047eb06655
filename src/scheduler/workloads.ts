import { apiVersion, type Resource, replicaSets, services, statefulSets } from '../api/resource.ts';
import type { LabelSelector, StatefulSet } from '../api/types.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { Workloads } from './cluster.ts';

/** The selectors of what a pod belongs to, from the informers' copies. */
export function watchWorkloads(informers: InformerFactory): Workloads {
  const serviceInformer = informers.informer(services, {
    indexes: { namespace: (service) => [service.metadata?.namespace ?? ''] },
  });
  const owners = [replicaSets, statefulSets].map((resource) => ({
    resource,
    informer: informers.informer<StatefulSet>(resource as Resource<StatefulSet>),
  }));
  return {
    selectorsOf({ pod, namespace, labels }) {
      const selectors: LabelSelector[] = [];
      for (const { spec } of serviceInformer.byIndex('namespace', namespace)) {
        const wanted = Object.entries(spec?.selector ?? {});
        if (wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value))
          selectors.push({ matchLabels: spec?.selector });
      }
      const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller);
      const kind = owners.find(
        ({ resource }) => resource.kind === owner?.kind && apiVersion(resource) === owner.apiVersion,
      );
      const selector = kind?.informer.get(`${namespace}/${owner?.name}`)?.spec?.selector;
      if (selector) selectors.push(selector);
      return selectors;
    },
  };
}
