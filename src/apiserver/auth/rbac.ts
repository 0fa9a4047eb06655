import type { ClusterRole, ClusterRoleBinding, KubeObject, Role, RoleBinding } from '../../api/types.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import type { User } from '../request.ts';
import type { Attributes, Authorizer, Decision, ResourceRule } from './authorizer.ts';

const RBAC = 'rbac.authorization.k8s.io';
const roles = { group: RBAC, plural: 'roles' };
const clusterRoles = { group: RBAC, plural: 'clusterroles' };
const roleBindings = { group: RBAC, plural: 'rolebindings' };
const clusterRoleBindings = { group: RBAC, plural: 'clusterrolebindings' };

type Binding = RoleBinding | ClusterRoleBinding;

/** Rules that a binding gives its subjects in a namespace, or everywhere. */
interface Grant {
  /** `''`: everywhere. */
  readonly namespace: string;
  readonly subjects: NonNullable<Binding['subjects']>;
  readonly rules: readonly ResourceRule[];
  /** `ClusterRoleBinding "x" of ClusterRole "y" to …` */
  readonly title: string;
}

/** Role-based access control: what no role grants is denied. */
export class RbacAuthorizer implements Authorizer {
  readonly #cache: WatchCache;
  #grants: readonly Grant[] = [];
  #revision = -1;

  constructor(cache: WatchCache) {
    this.#cache = cache;
  }

  authorize(attributes: Attributes): Decision {
    const namespace = attributes.resource?.namespace ?? '';
    for (const grant of this.#grantsOf(attributes.user, namespace)) {
      if (grant.rules.some((rule) => ruleAllows(rule, attributes))) {
        return { allowed: true, reason: `RBAC: allowed by ${grant.title} to ${attributes.user.name}` };
      }
    }
    return { allowed: false, reason: '' };
  }

  rulesFor(user: User, namespace: string): readonly ResourceRule[] {
    return this.#grantsOf(user, namespace).flatMap((grant) => grant.rules);
  }

  #grantsOf(user: User, namespace: string): Grant[] {
    this.#refresh();
    return this.#grants.filter(
      (grant) =>
        (grant.namespace === '' || grant.namespace === namespace) &&
        grant.subjects.some((subject) => isSubject(subject, user, grant.namespace)),
    );
  }

  /** Reads roles and bindings anew when one of them changed. */
  #refresh(): void {
    const all = [roles, clusterRoles, roleBindings, clusterRoleBindings];
    const changed = Math.max(...all.map((resource) => this.#cache.resource(resource).changed));
    if (changed === this.#revision) return;
    this.#revision = changed;
    this.#grants = [
      ...this.#read<ClusterRoleBinding>(clusterRoleBindings).map((binding) => this.#grantOf(binding, '')),
      ...this.#read<RoleBinding>(roleBindings).map((each) => this.#grantOf(each, each.metadata?.namespace ?? '')),
    ];
  }

  #grantOf(binding: Binding, namespace: string): Grant {
    const { kind, name } = binding.roleRef;
    const resource = kind === 'ClusterRole' ? clusterRoles : roles;
    const key = objectKey(resource, kind === 'ClusterRole' ? '' : namespace, name);
    const role = this.#cache.resource(resource).get(key)?.parse<Role | ClusterRole>();
    const title = `${binding.kind} "${[namespace, binding.metadata?.name].filter(Boolean).join('/')}" of ${kind} "${name}"`;
    return { namespace, subjects: binding.subjects ?? [], rules: role?.rules ?? [], title };
  }

  #read<T extends KubeObject>(resource: { group: string; plural: string }): T[] {
    return this.#cache
      .resource(resource)
      .list()
      .map((object) => object.parse<T>());
  }
}

function isSubject(subject: Grant['subjects'][number], user: User, namespace: string): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.name === user.name;
    case 'Group':
      return user.groups.includes(subject.name);
    case 'ServiceAccount':
      return user.name === `system:serviceaccount:${subject.namespace ?? namespace}:${subject.name}`;
    default:
      return false;
  }
}

/** Whether a rule grants it, by Kubernetes' rules of matching. */
export function ruleAllows(rule: ResourceRule, { verb, resource, path }: Attributes): boolean {
  if (!includes(rule.verbs, verb)) return false;
  if (!resource) return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, path ?? ''));
  const { group, plural, subresource, name } = resource;
  const names = rule.resourceNames ?? [];
  return (
    includes(rule.apiGroups, group) &&
    (rule.resources ?? []).some((pattern) => resourceMatches(pattern, plural, subresource)) &&
    (names.length === 0 || (name !== '' && names.includes(name)))
  );
}

const includes = (list: readonly string[] | undefined, value: string) =>
  list !== undefined && (list.includes('*') || list.includes(value));

function resourceMatches(pattern: string, plural: string, subresource: string): boolean {
  if (pattern === '*') return true;
  const asked = subresource === '' ? plural : `${plural}/${subresource}`;
  return pattern === asked || (subresource !== '' && pattern === `*/${subresource}`);
}

function pathMatches(pattern: string, path: string): boolean {
  if (pattern === '*') return true;
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path;
}
