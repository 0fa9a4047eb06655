import type { Resource } from '../api/resource.ts';
import type { KubeObject, ObjectMeta, Pod, PodTemplateSpec } from '../api/types.ts';
import { controllerReference } from './owners.ts';

/** A pod of a template that belongs to `owner`, with a name of its own after the owner's. */
export function podOf(
  resource: Resource,
  owner: KubeObject,
  template: PodTemplateSpec | undefined,
): Pod & { metadata: ObjectMeta } {
  const { name = '', namespace } = owner.metadata ?? {};
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...labels },
      annotations: annotations && { ...annotations },
      finalizers: finalizers && [...finalizers],
      ownerReferences: [controllerReference(resource, owner)],
    },
    spec: template?.spec,
  };
}
