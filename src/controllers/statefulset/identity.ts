import { statefulSets } from '../../api/resource.ts';
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet, Volume } from '../../api/types.ts';
import { podOf } from '../pod-template.ts';
import { templateOf } from '../revisions.ts';

/** Of pods: the name of their revision, the label by which kube-controller-manager knows it too. */
export const REVISION_LABEL = 'controller-revision-hash';
const POD_NAME_LABEL = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX_LABEL = 'apps.kubernetes.io/pod-index';

export const firstOrdinal = (set: StatefulSet): number => set.spec?.ordinals?.start ?? 0;
export const replicasOf = (set: StatefulSet): number => set.spec?.replicas ?? 1;

export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata?.name}-${ordinal}`;

/** The number at the end of the name of one of the set's pods; `undefined` where it cannot be one. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata?.name}-`;
  const { name = '' } = pod.metadata ?? {};
  const ordinal = name.slice(prefix.length);
  return name.startsWith(prefix) && /^(0|[1-9]\d*)$/.test(ordinal) ? Number(ordinal) : undefined;
}

export const revisionOf = (pod: Pod): string | undefined => pod.metadata?.labels?.[REVISION_LABEL];

/** The set's pod of this number, made of the template of a revision: the same name, host name and claims each time. */
export function podFor(set: StatefulSet, ordinal: number, revision: ControllerRevision): Pod {
  const name = podName(set, ordinal);
  const pod = podOf(statefulSets, set, templateOf(revision));
  const { generateName: _, ...metadata } = pod.metadata;
  return {
    metadata: {
      ...metadata,
      name,
      labels: { ...metadata.labels, ...identityLabels(name, ordinal), [REVISION_LABEL]: revision.metadata?.name ?? '' },
    },
    spec: {
      containers: [],
      ...pod.spec,
      hostname: name,
      subdomain: set.spec?.serviceName,
      volumes: volumesOf(set, ordinal, pod.spec?.volumes ?? []),
    },
  };
}

/** By these a Service can select one pod of a set. */
export function identityLabels(name: string, ordinal: number): Record<string, string> {
  return { [POD_NAME_LABEL]: name, [POD_INDEX_LABEL]: String(ordinal) };
}

function volumesOf(set: StatefulSet, ordinal: number, others: readonly Volume[]): Volume[] {
  const claims = claimsFor(set, ordinal).map(({ template, claim }) => ({
    name: template,
    persistentVolumeClaim: { claimName: claim.metadata?.name ?? '' },
  }));
  return [...others.filter(({ name }) => !claims.some((claim) => claim.name === name)), ...claims];
}

/** The claims of a pod of this number. They outlive it, so that the next of its name finds its data. */
export function claimsFor(
  set: StatefulSet,
  ordinal: number,
): { readonly template: string; readonly claim: PersistentVolumeClaim }[] {
  return (set.spec?.volumeClaimTemplates ?? []).map(({ metadata, spec }) => {
    const template = metadata?.name ?? '';
    const labels = { ...metadata?.labels, ...set.spec?.selector.matchLabels };
    const { namespace } = set.metadata ?? {};
    const name = `${template}-${podName(set, ordinal)}`;
    return { template, claim: { metadata: { name, namespace, labels, annotations: metadata?.annotations }, spec } };
  });
}
