import type { ClusterRole, ClusterRoleBinding } from '../../api/types.ts';
import type { ResourceRule } from './authorizer.ts';

const RBAC = 'rbac.authorization.k8s.io';
const read = ['get', 'list', 'watch'];
const write = ['create', 'delete', 'deletecollection', 'patch', 'update'];

type Rule = ResourceRule & { verbs: string[] };

function rule(groups: string[], resources: string[], verbs: readonly string[]): Rule {
  return { apiGroups: groups, resources, verbs: [...verbs] };
}

const paths = (urls: string[]): Rule => ({ nonResourceURLs: urls, verbs: ['get'] });

/** What a namespace holds, as far as its users may see it. */
const visible: Rule[] = [
  rule(
    [''],
    [
      'bindings',
      'configmaps',
      'endpoints',
      'events',
      'limitranges',
      'namespaces',
      'namespaces/status',
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'pods',
      'pods/log',
      'pods/status',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'replicationcontrollers/status',
      'resourcequotas',
      'resourcequotas/status',
      'serviceaccounts',
      'services',
      'services/status',
    ],
    read,
  ),
  rule(
    ['apps'],
    [
      'controllerrevisions',
      'daemonsets',
      'daemonsets/status',
      'deployments',
      'deployments/scale',
      'deployments/status',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
      'statefulsets',
      'statefulsets/scale',
      'statefulsets/status',
    ],
    read,
  ),
  rule(['autoscaling'], ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'], read),
  rule(['batch'], ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status'], read),
  rule(['discovery.k8s.io'], ['endpointslices'], read),
  rule(['events.k8s.io'], ['events'], read),
  rule(['networking.k8s.io'], ['ingresses', 'ingresses/status', 'networkpolicies'], read),
  rule(['policy'], ['poddisruptionbudgets', 'poddisruptionbudgets/status'], read),
];

const editable: Rule[] = [
  rule([''], ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'secrets', 'services/proxy'], read),
  rule([''], ['serviceaccounts'], ['impersonate']),
  rule([''], ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy'], write),
  rule([''], ['pods/eviction'], ['create']),
  rule(
    [''],
    [
      'configmaps',
      'events',
      'persistentvolumeclaims',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'secrets',
      'serviceaccounts',
      'services',
      'services/proxy',
    ],
    write,
  ),
  rule([''], ['serviceaccounts/token'], ['create']),
  rule(
    ['apps'],
    [
      'daemonsets',
      'deployments',
      'deployments/rollback',
      'deployments/scale',
      'replicasets',
      'replicasets/scale',
      'statefulsets',
      'statefulsets/scale',
    ],
    write,
  ),
  rule(['autoscaling'], ['horizontalpodautoscalers'], write),
  rule(['batch'], ['cronjobs', 'jobs'], write),
  rule(['networking.k8s.io'], ['ingresses', 'networkpolicies'], write),
  rule(['policy'], ['poddisruptionbudgets'], write),
  rule(['coordination.k8s.io'], ['leases'], [...read, ...write]),
];

const ofNamespaceAdmins: Rule[] = [
  rule(['authorization.k8s.io'], ['localsubjectaccessreviews'], ['create']),
  rule([RBAC], ['rolebindings', 'roles'], [...read, ...write]),
];

const discoveryPaths = [
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/healthz',
  '/livez',
  '/openapi',
  '/openapi/*',
  '/readyz',
  '/version',
  '/version/',
];

const roles: Readonly<Record<string, Rule[]>> = {
  'cluster-admin': [rule(['*'], ['*'], ['*']), { nonResourceURLs: ['*'], verbs: ['*'] }],
  admin: [...visible, ...editable, ...ofNamespaceAdmins],
  edit: [...visible, ...editable],
  view: visible,
  'system:basic-user': [
    rule(['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
    rule(['authentication.k8s.io'], ['selfsubjectreviews'], ['create']),
  ],
  'system:discovery': [paths(discoveryPaths)],
  'system:public-info-viewer': [paths(['/healthz', '/livez', '/readyz', '/version', '/version/'])],
  'system:service-account-issuer-discovery': [paths(['/.well-known/openid-configuration', '/openid/v1/jwks'])],
  'system:auth-delegator': [
    rule(['authentication.k8s.io'], ['tokenreviews'], ['create']),
    rule(['authorization.k8s.io'], ['subjectaccessreviews'], ['create']),
  ],
  'system:kubelet-api-admin': [
    rule([''], ['nodes'], ['get', 'list', 'watch', 'proxy']),
    rule([''], ['nodes/log', 'nodes/metrics', 'nodes/proxy', 'nodes/stats'], ['*']),
  ],
  'system:node-proxier': [
    rule([''], ['endpoints', 'services'], ['list', 'watch']),
    rule([''], ['nodes'], read),
    rule(['', 'events.k8s.io'], ['events'], ['create', 'patch', 'update']),
    rule(['discovery.k8s.io'], ['endpointslices'], ['list', 'watch']),
    rule(['networking.k8s.io'], ['servicecidrs'], ['list', 'watch']),
  ],
  'system:monitoring': [paths(['/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/readyz', '/readyz/*'])],
};

const subject = (kind: 'Group' | 'User', name: string) => ({ kind, apiGroup: RBAC, name });

const bindings: Readonly<Record<string, { role: string; groups?: string[]; users?: string[] }>> = {
  'cluster-admin': { role: 'cluster-admin', groups: ['system:masters'] },
  'system:basic-user': { role: 'system:basic-user', groups: ['system:authenticated'] },
  'system:discovery': { role: 'system:discovery', groups: ['system:authenticated'] },
  'system:public-info-viewer': {
    role: 'system:public-info-viewer',
    groups: ['system:authenticated', 'system:unauthenticated'],
  },
  'system:service-account-issuer-discovery': {
    role: 'system:service-account-issuer-discovery',
    groups: ['system:serviceaccounts'],
  },
  'system:node-proxier': { role: 'system:node-proxier', users: ['system:kube-proxy'] },
  'system:monitoring': { role: 'system:monitoring', groups: ['system:monitoring'] },
};

const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'true' };

/** Roles that others may add to, by a label; what they hold from the start is a part of its own. */
const aggregates = ['admin', 'edit', 'view'];
const aggregateTo = (role: string) => `rbac.authorization.k8s.io/aggregate-to-${role}`;

/** The roles that every cluster has (Kubernetes' default roles, without those of its own components). */
export function bootstrapRoles(): ClusterRole[] {
  const parts = aggregates.map((name) => [`system:aggregate-to-${name}`, roles[name] ?? []] as const);
  return [...Object.entries(roles), ...parts].map(([name, rules]) => {
    const wider = aggregates[aggregates.indexOf(name) - 1];
    const partOf = name.startsWith('system:aggregate-to-') ? name.slice('system:aggregate-to-'.length) : wider;
    const matchLabels = { [aggregateTo(name)]: 'true' };
    return {
      metadata: { name, labels: partOf ? { ...labels, [aggregateTo(partOf)]: 'true' } : labels, annotations },
      ...(aggregates.includes(name) ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels }] } } : {}),
      rules: rules as ClusterRole['rules'],
    };
  });
}

export function bootstrapBindings(): ClusterRoleBinding[] {
  return Object.entries(bindings).map(([name, { role, groups = [], users = [] }]) => ({
    metadata: { name, labels, annotations },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
    subjects: [...groups.map((each) => subject('Group', each)), ...users.map((each) => subject('User', each))],
  }));
}
