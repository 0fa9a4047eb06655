import { configMaps } from '../api/resource.ts';
import type { ClusterRoleBinding, ConfigMap, Role, RoleBinding } from '../api/types.ts';

const RBAC = 'rbac.authorization.k8s.io';
const apiVersion = `${RBAC}/v1`;
const NODE_CLIENT = 'system:certificates.k8s.io:certificatesigningrequests';
const INFO = { namespace: 'kube-public', name: 'cluster-info' };

const groupHolds = (group: string, role: string, name: string): ClusterRoleBinding => ({
  apiVersion,
  kind: 'ClusterRoleBinding',
  metadata: { name },
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
  subjects: [{ apiGroup: RBAC, kind: 'Group', name: group }],
});

const reader = 'kubeadm:bootstrap-signer-clusterinfo';
const readsInfo: Role = {
  apiVersion,
  kind: 'Role',
  metadata: { namespace: INFO.namespace, name: reader },
  rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [INFO.name], verbs: ['get'] }],
};
const everybodyReadsInfo: RoleBinding = {
  apiVersion,
  kind: 'RoleBinding',
  metadata: { namespace: INFO.namespace, name: reader },
  roleRef: { apiGroup: RBAC, kind: 'Role', name: reader },
  subjects: [{ apiGroup: RBAC, kind: 'User', name: 'system:anonymous' }],
};

/**
 * What lets a machine join with a bootstrap token and nothing else, as in clusters of kubeadm: it may read where the
 * cluster is, ask for a certificate of a kubelet and get it, and kubelets may renew theirs.
 */
export const joiningRoles = [
  groupHolds('system:bootstrappers', 'system:node-bootstrapper', 'kubeadm:kubelet-bootstrap'),
  groupHolds('system:bootstrappers', `${NODE_CLIENT}:nodeclient`, 'kubeadm:node-autoapprove-bootstrap'),
  groupHolds('system:nodes', `${NODE_CLIENT}:selfnodeclient`, 'kubeadm:node-autoapprove-certificate-rotation'),
  readsInfo,
  everybodyReadsInfo,
];

/** Where the cluster is, and its CA; signed with each bootstrap token, so that who has one can believe it. */
export function clusterInfo(server: string, ca: string): ConfigMap {
  const cluster = { 'certificate-authority-data': Buffer.from(ca).toString('base64'), server };
  const kubeconfig = { apiVersion: 'v1', kind: 'Config', clusters: [{ name: '', cluster }], contexts: [], users: [] };
  // JSON is YAML.
  return { apiVersion: 'v1', kind: configMaps.kind, metadata: INFO, data: { kubeconfig: JSON.stringify(kubeconfig) } };
}
