import type { ClusterRole, ClusterRoleBinding } from '../api/types.ts';

const RBAC = 'rbac.authorization.k8s.io';
const NAME = 'knit:node-network';
const read = ['get', 'list', 'watch'];

/** Who a node's pod network, policies and service proxy are: not the kubelet, which may see less of the cluster. */
export const networkIdentity = (node: string) => ({ commonName: `${NAME}:${node}`, organizations: [NAME] });

const role: ClusterRole = {
  apiVersion: `${RBAC}/v1`,
  kind: 'ClusterRole',
  metadata: { name: NAME },
  rules: [
    // Whom policies speak of, and where the overlay's other ends are.
    { apiGroups: [''], resources: ['namespaces', 'nodes', 'pods'], verbs: read },
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: read },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['ip-masq-agent'], verbs: read },
  ],
};

const bindingOf = (name: string, roleName: string): ClusterRoleBinding => ({
  apiVersion: `${RBAC}/v1`,
  kind: 'ClusterRoleBinding',
  metadata: { name },
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: roleName },
  subjects: [{ apiGroup: RBAC, kind: 'Group', name: NAME }],
});

/** What {@link networkIdentity} may: all that Kubernetes' own proxy may, and what pods and policies need. */
export const nodeNetworkRoles = [role, bindingOf(NAME, NAME), bindingOf(`${NAME}-proxier`, 'system:node-proxier')];
