import type { FlowSchema, PriorityLevelConfiguration } from '../../types.ts';

type SchemaSpec = NonNullable<FlowSchema['spec']>;
type Rules = NonNullable<SchemaSpec['rules']>[number];
type ResourceRule = NonNullable<Rules['resourceRules']>[number];

const annotations = { 'apf.kubernetes.io/autoupdate-spec': 'true' };

/** The priority levels that Kubernetes' own API server starts with, mandatory and suggested. */
export const defaultPriorityLevels: readonly PriorityLevelConfiguration[] = [
  {
    metadata: { name: 'exempt', annotations },
    spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  },
  limited('catch-all', 5, 0),
  limited('system', 30, 33, { queues: 64, handSize: 6 }),
  limited('node-high', 40, 25, { queues: 64, handSize: 6 }),
  limited('leader-election', 10, 0, { queues: 16, handSize: 4 }),
  limited('workload-high', 40, 50, { queues: 128, handSize: 6 }),
  limited('workload-low', 100, 90, { queues: 128, handSize: 6 }),
  limited('global-default', 20, 50, { queues: 128, handSize: 6 }),
];

/** Without queues it refuses at once. */
function limited(
  name: string,
  nominalConcurrencyShares: number,
  lendablePercent: number,
  queues?: { readonly queues: number; readonly handSize: number },
): PriorityLevelConfiguration {
  const limitResponse = queues ? { type: 'Queue', queuing: { ...queues, queueLengthLimit: 50 } } : { type: 'Reject' };
  const spec = { type: 'Limited', limited: { nominalConcurrencyShares, lendablePercent, limitResponse } };
  return { metadata: { name, annotations }, spec };
}

const controllers = ['system:kube-controller-manager', 'system:kube-scheduler'].map(user);
const systemAccounts = account('*');
const everyone = ['system:unauthenticated', 'system:authenticated'].map(group);
const nodes = [group('system:nodes')];
const hold = ['get', 'create', 'update'];

/** Of which of these nobody may change what they say: without them nobody in need is served. */
export const isMandatory = (name: string): boolean => name === 'exempt' || name === 'catch-all';

/** Its flow schemas, likewise. */
export const defaultFlowSchemas: readonly FlowSchema[] = [
  schema('exempt', 'exempt', 1, undefined, all(group('system:masters'))),
  schema('probes', 'exempt', 2, undefined, {
    subjects: everyone,
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  schema('system-leader-election', 'leader-election', 100, 'ByUser', {
    subjects: [...controllers, systemAccounts],
    resourceRules: [resources(hold, 'coordination.k8s.io', ['leases'], ['*'])],
  }),
  schema('endpoint-controller', 'workload-high', 150, 'ByUser', {
    subjects: [controllers[0]!, account('endpoint-controller')],
    resourceRules: [resources(hold, '', ['endpoints'], ['*'])],
  }),
  schema('workload-leader-election', 'leader-election', 200, 'ByUser', {
    subjects: [systemAccounts],
    resourceRules: [resources(hold, 'coordination.k8s.io', ['leases'], ['*'])],
  }),
  schema('system-node-high', 'node-high', 400, 'ByUser', {
    subjects: nodes,
    resourceRules: [
      { ...resources(['*'], '', ['nodes', 'nodes/status'], ['*']), clusterScope: true },
      resources(['*'], 'coordination.k8s.io', ['leases'], ['*']),
    ],
  }),
  schema('system-nodes', 'system', 500, 'ByUser', all(...nodes)),
  schema('kube-controller-manager', 'workload-high', 800, 'ByNamespace', all(controllers[0]!)),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', all(controllers[1]!)),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', all(systemAccounts)),
  schema('service-accounts', 'workload-low', 9000, 'ByUser', all(group('system:serviceaccounts'))),
  schema('global-default', 'global-default', 9900, 'ByUser', all(...everyone)),
  schema('catch-all', 'catch-all', 10_000, 'ByUser', all(...everyone)),
];

function schema(
  name: string,
  level: string,
  matchingPrecedence: number,
  distinguisher: string | undefined,
  rules: Rules,
): FlowSchema {
  const spec: SchemaSpec = {
    priorityLevelConfiguration: { name: level },
    matchingPrecedence,
    ...(distinguisher ? { distinguisherMethod: { type: distinguisher } } : {}),
    rules: [rules],
  };
  return { metadata: { name, annotations }, spec };
}

function all(...subjects: Rules['subjects']): Rules {
  return {
    subjects,
    resourceRules: [{ ...resources(['*'], '*', ['*'], ['*']), clusterScope: true }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  };
}

function resources(verbs: string[], apiGroup: string, names: string[], namespaces: string[]): ResourceRule {
  return { verbs, apiGroups: [apiGroup], resources: names, namespaces };
}

function user(name: string): Rules['subjects'][number] {
  return { kind: 'User', user: { name } };
}

function group(name: string): Rules['subjects'][number] {
  return { kind: 'Group', group: { name } };
}

function account(name: string): Rules['subjects'][number] {
  return { kind: 'ServiceAccount', serviceAccount: { name, namespace: 'kube-system' } };
}
