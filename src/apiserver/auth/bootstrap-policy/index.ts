import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../../api/types.ts';
import { rolesOfComponents } from './components.ts';
import { rolesOfControllers } from './controllers.ts';
import { type Holder, namespaceRoles } from './namespaces.ts';
import type { Rule } from './rules.ts';
import { rolesOfUsers } from './users.ts';

const RBAC = 'rbac.authorization.k8s.io';
const CONTROLLER = 'system:controller:';
const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
/** What is missing of an object with it is added when the API server starts. */
export const AUTO_UPDATE = 'rbac.authorization.kubernetes.io/autoupdate';
const annotations = { [AUTO_UPDATE]: 'true' };

type Subject = NonNullable<RoleBinding['subjects']>[number];

const group = (name: string): Subject => ({ kind: 'Group', apiGroup: RBAC, name });
const user = (name: string): Subject => ({ kind: 'User', apiGroup: RBAC, name });
const account = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' });

/** Who has which role: bindings are named after their role. */
const holders: Readonly<Record<string, readonly Subject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:basic-user': [group('system:authenticated')],
  'system:discovery': [group('system:authenticated')],
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [account('kube-dns')],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:monitoring': [group('system:monitoring')],
  // Nobody: the node authorizer says what a node may.
  'system:node': [],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:public-info-viewer': [group('system:authenticated'), group('system:unauthenticated')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
};

/** The roles of a namespace's users, the widest first: each holds all of the next one, and whatever others add by a label. */
const aggregated = ['admin', 'edit', 'view'];
const aggregateTo = (role: string) => `rbac.authorization.k8s.io/aggregate-to-${role}`;
const PART = 'system:aggregate-to-';

const clusterRole = (name: string, rules: readonly Rule[], partOf?: string): ClusterRole => ({
  metadata: { name, labels: partOf ? { ...labels, [aggregateTo(partOf)]: 'true' } : labels, annotations },
  rules: rules as ClusterRole['rules'],
});

function aggregatedRole(name: string, place: number): ClusterRole {
  const held = aggregated.slice(place).flatMap((part) => rolesOfUsers[PART + part] ?? []);
  const clusterRoleSelectors = [{ matchLabels: { [aggregateTo(name)]: 'true' } }];
  // The rules are what its controller makes of the parts; they are there before it runs.
  return { ...clusterRole(name, held, aggregated[place - 1]), aggregationRule: { clusterRoleSelectors } };
}

/** The ClusterRoles that every cluster has, one by one those of Kubernetes 1.36. */
export const bootstrapClusterRoles: readonly ClusterRole[] = [
  ...Object.entries({ ...rolesOfUsers, ...rolesOfComponents }).map(([name, rules]) =>
    clusterRole(name, rules, name.startsWith(PART) ? name.slice(PART.length) : undefined),
  ),
  ...aggregated.map(aggregatedRole),
  ...Object.entries(rolesOfControllers).map(([name, rules]) => clusterRole(CONTROLLER + name, rules)),
];

const clusterRoleBinding = (name: string, subjects: readonly Subject[]): ClusterRoleBinding => ({
  metadata: { name, labels, annotations },
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
  ...(subjects.length > 0 ? { subjects: [...subjects] } : {}),
});

export const bootstrapClusterRoleBindings: readonly ClusterRoleBinding[] = [
  ...Object.entries(holders).map(([name, subjects]) => clusterRoleBinding(name, subjects)),
  ...Object.keys(rolesOfControllers).map((name) => clusterRoleBinding(CONTROLLER + name, [account(name)])),
];

export const bootstrapRoles: readonly Role[] = namespaceRoles.map(({ namespace, name, rules }) => ({
  metadata: { namespace, name, labels, annotations },
  rules: rules as Role['rules'],
}));

const subjectOf = (holder: Holder): Subject => ('user' in holder ? user(holder.user) : account(holder.account));

export const bootstrapRoleBindings: readonly RoleBinding[] = namespaceRoles.map((role) => ({
  metadata: { namespace: role.namespace, name: role.binding ?? role.name, labels, annotations },
  roleRef: { apiGroup: RBAC, kind: 'Role', name: role.name },
  subjects: role.holders.map(subjectOf),
}));
