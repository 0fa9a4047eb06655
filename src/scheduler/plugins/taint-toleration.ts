import type { Taint } from '../../api/types.ts';
import { type FilterPlugin, normalizeByMax, type Rejection, rejection, type ScorePlugin } from '../framework.ts';
import type { PodInfo } from '../podinfo.ts';
import { tolerates } from './tolerations.ts';

const name = 'TaintToleration';
const noTaints = '[]';
/** Which taint is not told since Kubernetes 1.35: it may say more of the node than a pod's owner shall know. */
const untolerated = rejection(true, 'node(s) had untolerated taint(s)');

/** Keeps pods off nodes whose taints they do not tolerate. */
export const taintTolerationFilter: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeTaints'],
  filter(pod) {
    // Neighbours mostly have the same taints: the last answer is the next one.
    let key = noTaints;
    let answer: Rejection | undefined;
    return ({ taints, taintsKey }) => {
      if (taintsKey !== key) {
        key = taintsKey;
        answer = rejectionBy(taints, pod);
      }
      return answer;
    };
  },
};

function rejectionBy(taints: readonly Taint[], { pod }: PodInfo): Rejection | undefined {
  const isTolerated = (taint: Taint) => taint.effect === 'PreferNoSchedule' || tolerates(pod.spec?.tolerations, taint);
  return taints.every(isTolerated) ? undefined : untolerated;
}

/** Prefers nodes with fewer `PreferNoSchedule` taints that the pod does not tolerate. */
export const taintTolerationScore: ScorePlugin = {
  name,
  weight: 3,
  score(pod, _cluster, nodes) {
    const tolerations = pod.pod.spec?.tolerations?.filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
    if (!nodes.some(({ prefersOthers }) => prefersOthers)) return undefined;
    return ({ taints }) =>
      taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerates(tolerations, taint)).length;
  },
  normalize: (scores) => normalizeByMax(scores, true),
};
