import type { User } from '../request.ts';
import type { Attributes, Authorizer, Decision, ResourceRule } from './authorizer.ts';
import { ruleAllows } from './rbac.ts';

const read = ['get', 'list', 'watch'];
const write = ['create', 'update', 'patch', 'delete'];
const rule = (apiGroup: string, resources: readonly string[], verbs: readonly string[]): ResourceRule => ({
  apiGroups: [apiGroup],
  resources,
  verbs,
});

/** What a node's agents need: the kubelet, the pod network and the proxy of one node share its identity. */
const rules: readonly ResourceRule[] = [
  rule('', ['services', 'endpoints', 'nodes', 'namespaces', 'pods'], read),
  rule('', ['configmaps', 'secrets', 'persistentvolumes', 'persistentvolumeclaims'], read),
  rule('', ['serviceaccounts'], ['get', 'list', 'watch']),
  rule('', ['serviceaccounts/token'], ['create']),
  rule('', ['pods'], ['create', 'delete']),
  rule('', ['pods/status'], ['update', 'patch']),
  rule('', ['pods/eviction'], ['create']),
  rule('', ['events'], ['create', 'update', 'patch']),
  rule('events.k8s.io', ['events'], ['create', 'update', 'patch']),
  rule('discovery.k8s.io', ['endpointslices'], read),
  rule('networking.k8s.io', ['networkpolicies'], read),
  rule('coordination.k8s.io', ['leases'], ['get', ...write]),
  rule('node.k8s.io', ['runtimeclasses'], read),
  rule('storage.k8s.io', ['csidrivers', 'csinodes', 'volumeattachments'], [...read, ...write]),
  rule('authentication.k8s.io', ['tokenreviews'], ['create']),
  rule('authorization.k8s.io', ['subjectaccessreviews', 'localsubjectaccessreviews'], ['create']),
  rule('certificates.k8s.io', ['certificatesigningrequests'], ['create', ...read]),
];
/** Of these a node writes only its own. */
const ownNode: readonly ResourceRule[] = [rule('', ['nodes', 'nodes/status'], ['create', 'update', 'patch'])];

const PREFIX = 'system:node:';

/** Lets the members of `system:nodes` do what a node does, to nobody's node but their own. */
export class NodeAuthorizer implements Authorizer {
  authorize(attributes: Attributes): Decision {
    const node = nodeOf(attributes.user);
    if (node === undefined) return { allowed: false, reason: '' };
    if (rules.some((each) => ruleAllows(each, attributes))) return { allowed: true, reason: '' };
    const { resource, verb } = attributes;
    const own = resource?.name === node || verb === 'create';
    return { allowed: own && ownNode.some((each) => ruleAllows(each, attributes)), reason: '' };
  }

  rulesFor(user: User): readonly ResourceRule[] {
    const node = nodeOf(user);
    return node === undefined ? [] : [...rules, ...ownNode.map((each) => ({ ...each, resourceNames: [node] }))];
  }
}

function nodeOf(user: User): string | undefined {
  const is = user.groups.includes('system:nodes') && user.name.startsWith(PREFIX);
  return is ? user.name.slice(PREFIX.length) : undefined;
}
