import { type FilterPlugin, normalizeByMax, rejection, type ScorePlugin } from '../framework.ts';
import { tolerates } from './tolerations.ts';

const name = 'TaintToleration';

/** Keeps pods off nodes whose taints they do not tolerate. */
export const taintTolerationFilter: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeTaints'],
  filter: (pod) => (node) => {
    for (const taint of node.taints) {
      if (taint.effect === 'PreferNoSchedule' || tolerates(pod.pod.spec?.tolerations, taint)) continue;
      return rejection(true, `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`);
    }
    return undefined;
  },
};

/** Prefers nodes with fewer `PreferNoSchedule` taints that the pod does not tolerate. */
export const taintTolerationScore: ScorePlugin = {
  name,
  weight: 3,
  score(pod, _cluster, nodes) {
    const tolerations = pod.pod.spec?.tolerations?.filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
    if (!nodes.some(({ taints }) => taints.some(({ effect }) => effect === 'PreferNoSchedule'))) return undefined;
    return ({ taints }) =>
      taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerates(tolerations, taint)).length;
  },
  normalize: (scores) => normalizeByMax(scores, true),
};
