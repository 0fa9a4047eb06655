import type { Node, PodSpec } from '../../api/types.ts';
import { type FilterPlugin, normalizeByMax, rejection, type ScorePlugin } from '../framework.ts';
import { type NodeTest, nodeSelectorTest, nodeTermTest } from '../selectors.ts';

const name = 'NodeAffinity';
const mismatch = rejection(true, "node(s) didn't match Pod's node affinity/selector");

/** `nodeSelector` and required node affinity as one test; `undefined` where the pod has neither. */
export function requiredNodeTest(spec: PodSpec | undefined): NodeTest | undefined {
  const selector = Object.entries(spec?.nodeSelector ?? {});
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (selector.length === 0 && !terms) return undefined;
  const affinity = terms ? nodeSelectorTest(terms) : () => true;
  return (node: Node) => {
    const labels = node.metadata?.labels ?? {};
    return selector.every(([key, value]) => labels[key] === value) && affinity(node);
  };
}

/** Keeps pods to the nodes they select. */
export const nodeAffinityFilter: FilterPlugin = {
  name,
  wokenBy: ['NodeAdded', 'NodeLabels'],
  filter(pod) {
    const test = requiredNodeTest(pod.pod.spec);
    return test && (({ node }) => (test(node) ? undefined : mismatch));
  },
};

/** Prefers nodes by the weights of the preferred terms they match. */
export const nodeAffinityScore: ScorePlugin = {
  name,
  weight: 2,
  score(pod) {
    const preferred = pod.pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    if (preferred.length === 0) return undefined;
    const terms = preferred.map(({ preference, weight }) => ({ matches: nodeTermTest(preference), weight }));
    return ({ node }) => terms.reduce((sum, { matches, weight }) => (matches(node) ? sum + weight : sum), 0);
  },
  normalize: (scores) => normalizeByMax(scores),
};
