/** On a node that only seems to be (`src/kubelet/hollow`): as a label, and as the key of its taint. */
export const hollowLabel = 'knit.dev/hollow';

/** Labels of Kubernetes' own that kubelets give their nodes. */
const ofKubelets: ReadonlySet<string> = new Set([
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'kubernetes.io/arch',
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const domainsOfKubelets = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const kubernetesDomains = ['kubernetes.io', 'k8s.io'];
/** By labels of this domain pods are kept to nodes that others vouch for. */
const RESTRICTED = 'node-restriction.kubernetes.io';

/** Whether a kubelet may give its own node a label: none by which it could draw pods to itself (KEP-279). */
export function mayKubeletSet(label: string): boolean {
  const domain = label.includes('/') ? label.slice(0, label.indexOf('/')) : '';
  const isIn = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  if (isIn(RESTRICTED)) return false;
  return !kubernetesDomains.some(isIn) || ofKubelets.has(label) || domainsOfKubelets.some(isIn);
}
