import { claimsOf } from '../../api/volumes.ts';
import { type ClusterEvent, type FilterPlugin, type Rejection, rejection } from '../framework.ts';
import type { VolumeAnswer } from '../volumes.ts';

const name = 'VolumeBinding';
const wokenBy: readonly ClusterEvent[] = ['NodeAdded', 'NodeLabels', 'VolumeChanged'];

const rejections: Readonly<Record<NonNullable<VolumeAnswer>, Rejection>> = {
  'node conflict': rejection(true, "node(s) didn't match PersistentVolume's node affinity"),
  'not found': rejection(true, "node(s) didn't find available persistent volumes to bind"),
  'volume gone': rejection(true, 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'),
};

/** A pod whose claims can have no volume yet fits nowhere, whatever the nodes. */
export const volumeClaims: FilterPlugin = {
  name,
  wokenBy,
  filter(pod, cluster) {
    const problem = cluster.volumes.of(pod)?.problem;
    if (problem === undefined) return undefined;
    const rejected = { ...rejection(true, problem), ofPod: true };
    return () => rejected;
  },
};

/** Keeps pods to the nodes where their volumes are, or can be made. */
export const volumeBinding: FilterPlugin = {
  name,
  wokenBy,
  filter(pod, cluster) {
    const volumes = cluster.volumes.of(pod);
    if (!volumes) return undefined;
    return ({ node }) => {
      const answer = volumes.check(node);
      return answer && rejections[answer];
    };
  },
};

const elsewhere = rejection(true, 'node(s) had no available volume zone');

/** Keeps pods to the zones of their volumes, where those are told by labels. */
export const volumeZone: FilterPlugin = {
  name: 'VolumeZone',
  wokenBy,
  filter(pod, cluster) {
    const volumes = cluster.volumes.of(pod);
    return volumes && (({ node }) => (volumes.isInZone(node) ? undefined : elsewhere));
  },
};

const inUse = rejection(
  false,
  'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
);

/** A claim of mode ReadWriteOncePod has one pod. */
export const volumeRestrictions: FilterPlugin = {
  name: 'VolumeRestrictions',
  wokenBy: ['PodRemoved', 'VolumeChanged'],
  filter(pod, cluster) {
    const alone = claimsOf(pod.pod).filter(({ claim }) => cluster.volumes.isExclusive(pod.namespace, claim));
    if (alone.length === 0) return undefined;
    const names = new Set(alone.map(({ claim }) => claim));
    for (const [other] of cluster.placed()) {
      if (other.namespace !== pod.namespace || other.uid === pod.uid) continue;
      if (claimsOf(other.pod).some(({ claim }) => names.has(claim))) return () => inUse;
    }
    return undefined;
  },
};
