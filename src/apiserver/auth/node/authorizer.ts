import type { User } from '../../request.ts';
import type { Attributes, Authorizer, Decision, ResourceRule } from '../authorizer.ts';
import { rolesOfComponents } from '../bootstrap-policy/components.ts';
import { ruleAllows } from '../rbac.ts';
import type { NodeGraph } from './graph.ts';
import { nodeOf } from './identity.ts';

type Target = NonNullable<Attributes['resource']>;
type Question = { readonly node: string; readonly verb: string; readonly target: Target };

/** What kubelets do, before it is narrowed down to what belongs to their node. */
const nodeRules = rolesOfComponents['system:node'] ?? [];

const LEASES = 'kube-node-lease';
const readVerbs = new Set(['get', 'list', 'watch']);
const ownVerbs = new Set(['get', 'create', 'update', 'patch', 'delete']);

const allow: Decision = { allowed: true, reason: '' };
const deny = (reason = ''): Decision => ({ allowed: false, reason });

/**
 * Lets kubelets (`system:node:NAME`, of the group `system:nodes`) do what a kubelet does, with the objects that belong to
 * their node. Reasons are Kubernetes' own. What is written is the concern of the admission plugin NodeRestriction.
 */
export class NodeAuthorizer implements Authorizer {
  readonly #graph: NodeGraph;

  constructor(graph: NodeGraph) {
    this.#graph = graph;
  }

  authorize(attributes: Attributes): Decision {
    const { user, verb, resource: target } = attributes;
    const node = nodeOf(user);
    if (node === undefined) return deny();
    if (node === '') return deny(`unknown node for user ${JSON.stringify(user.name)}`);
    const decided = target && this.#decide({ node, verb, target });
    return decided ?? (nodeRules.some((each) => ruleAllows(each, attributes)) ? allow : deny());
  }

  /** Which objects belong to a node cannot be said as rules. */
  rulesFor(): readonly ResourceRule[] {
    return [];
  }

  unresolved(user: User): string | undefined {
    return nodeOf(user) === undefined ? undefined : 'node authorizer does not support user rule resolution';
  }

  /** `undefined` where the rules alone decide. */
  #decide(question: Question): Decision | undefined {
    const { node, target } = question;
    const { group, plural, subresource, namespace, name } = target;
    const graph = this.#graph;
    switch (group === '' ? plural : `${plural}.${group}`) {
      case 'secrets':
        return readNamespaced(question, () => graph.hasSecret(node, namespace, name));
      case 'configmaps':
        return readNamespaced(question, () => graph.hasConfigMap(node, namespace, name));
      case 'persistentvolumeclaims':
        return subresource === 'status'
          ? updateStatus(question, () => graph.hasClaim(node, namespace, name))
          : getOne(question, () => graph.hasClaim(node, namespace, name));
      case 'persistentvolumes':
        return getOne(question, () => graph.hasVolume(node, name));
      case 'volumeattachments.storage.k8s.io':
        return getOne(question, () => graph.hasAttachment(node, name));
      case 'resourceclaims.resource.k8s.io':
        return getOne(question, () => graph.hasResourceClaim(node, namespace, name));
      case 'resourceslices.resource.k8s.io':
        return ofResourceSlice(question, () => graph.hasResourceSlice(node, name));
      case 'serviceaccounts':
        return ofServiceAccount(question, () => graph.hasServiceAccount(node, namespace, name));
      case 'pods':
        return ofPod(question, () => graph.hasPod(node, namespace, name));
      case 'nodes':
        return ofNode(question);
      case 'leases.coordination.k8s.io':
        return ofLease(question);
      case 'csinodes.storage.k8s.io':
        return ofCSINode(question);
      default:
        return undefined;
    }
  }
}

function related({ node, target }: Question, isRelated: () => boolean): Decision {
  if (target.name === '') return deny('No Object name found');
  return isRelated() ? allow : deny(`no relationship found between node '${node}' and this object`);
}

function getOne(question: Question, isRelated: () => boolean): Decision {
  if (question.verb !== 'get') return deny('can only get individual resources of this type');
  if (question.target.subresource !== '') return deny('cannot get subresource');
  return related(question, isRelated);
}

function readNamespaced(question: Question, isRelated: () => boolean): Decision {
  if (!readVerbs.has(question.verb)) return deny('can only read resources of this type');
  if (question.target.subresource !== '') return deny('cannot read subresource');
  if (question.target.namespace === '') return deny('can only read namespaced object of this type');
  return related(question, isRelated);
}

function updateStatus(question: Question, isRelated: () => boolean): Decision {
  const { verb } = question;
  if (verb !== 'update' && verb !== 'patch') return deny('can only get/update/patch this type');
  return related(question, isRelated);
}

function ofServiceAccount(question: Question, isRelated: () => boolean): Decision {
  const { verb, target } = question;
  if (verb === 'get' && target.subresource === '') return readNamespaced(question, isRelated);
  if (verb !== 'create' || target.name === '') return deny('can only create tokens for individual service accounts');
  if (target.subresource !== 'token') return deny('can only create token subresource of serviceaccount');
  return related(question, isRelated);
}

function ofPod(question: Question, isRelated: () => boolean): Decision {
  const { verb, node, target } = question;
  switch (`${verb} ${target.subresource}`) {
    case 'get ':
      return getOne(question, isRelated);
    case 'list ':
    case 'watch ':
      if (target.selected?.['spec.nodeName'] === node) return allow;
      if (target.name !== '') return related(question, isRelated);
      return deny('can only list/watch pods with spec.nodeName field selector');
    case 'create ':
    case 'delete ':
    case 'update status':
    case 'patch status':
    case 'create eviction':
      return allow;
    default:
      return deny();
  }
}

function ofNode({ verb, node, target }: Question): Decision {
  const { name } = target;
  switch (`${verb} ${target.subresource}`) {
    case 'create ':
    case 'update ':
    case 'patch ':
    case 'update status':
    case 'patch status':
      return allow;
    case 'get ':
    case 'list ':
    case 'watch ':
      if (name === node) return allow;
      return deny(`node '${node}' cannot read ${name === '' ? 'all nodes' : `'${name}'`}, only its own Node object`);
    default:
      return deny();
  }
}

function ofResourceSlice(question: Question, isRelated: () => boolean): Decision {
  const { verb, node, target } = question;
  if (target.subresource !== '') return deny('cannot authorize ResourceSlice subresources');
  switch (verb) {
    case 'create':
      return allow;
    case 'get':
    case 'update':
    case 'patch':
    case 'delete':
      return related(question, isRelated);
    case 'watch':
    case 'list':
    case 'deletecollection':
      if (target.selected?.['spec.nodeName'] === node) return allow;
      return deny('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return deny(
        'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
      );
  }
}

/** The name of what is created is not known here: NodeRestriction looks at it. */
function ofLease({ verb, node, target }: Question): Decision {
  if (!ownVerbs.has(verb)) return deny('can only get, create, update, patch, or delete a node lease');
  if (target.namespace !== LEASES) return deny(`can only access leases in the "${LEASES}" system namespace`);
  if (verb === 'create' || target.name === node) return allow;
  return deny('can only access node lease with the same name as the requesting node');
}

function ofCSINode({ verb, node, target }: Question): Decision {
  if (!ownVerbs.has(verb)) return deny('can only get, create, update, patch, or delete a CSINode');
  if (target.subresource !== '') return deny('cannot authorize CSINode subresources');
  if (verb === 'create' || target.name === node) return allow;
  return deny('can only access CSINode with the same name as the requesting node');
}
