import type { ClusterRole, ClusterRoleBinding, KubeObject, Role, RoleBinding } from '../../api/types.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import type { User } from '../request.ts';
import type { Attributes, Authorizer, Decision, ResourceRule } from './authorizer.ts';
import { coversPath, includes } from './patterns.ts';

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
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  readonly rules: readonly ResourceRule[];
  /** `ClusterRoleBinding "x" of ClusterRole "y" to …` */
  readonly title: string;
}

const covers = (grant: Grant, namespace: string): boolean => grant.namespace === '' || grant.namespace === namespace;

/** Role-based access control: what no role grants is denied. */
export class RbacAuthorizer implements Authorizer {
  readonly #cache: WatchCache;
  readonly #sources: readonly ResourceCache[];
  /** By user and by group, in the order of the bindings. */
  #ofUsers: ReadonlyMap<string, readonly Grant[]> = new Map();
  #ofGroups: ReadonlyMap<string, readonly Grant[]> = new Map();
  #revision = -1;

  constructor(cache: WatchCache) {
    this.#cache = cache;
    this.#sources = [roles, clusterRoles, roleBindings, clusterRoleBindings].map((source) => cache.resource(source));
  }

  authorize(attributes: Attributes): Decision {
    const { user, resource } = attributes;
    const namespace = resource?.namespace ?? '';
    for (const grants of this.#grantsOf(user)) {
      for (const grant of grants) {
        if (covers(grant, namespace) && grant.rules.some((rule) => ruleAllows(rule, attributes))) {
          return { allowed: true, reason: `RBAC: allowed by ${grant.title} to ${user.name}` };
        }
      }
    }
    return { allowed: false, reason: '' };
  }

  rulesFor(user: User, namespace: string): readonly ResourceRule[] {
    const grants = new Set(this.#grantsOf(user).flat());
    return [...grants].filter((grant) => covers(grant, namespace)).flatMap((grant) => grant.rules);
  }

  /** Those to the user, and then those to each of the groups. */
  #grantsOf({ name, groups }: User): (readonly Grant[])[] {
    this.#refresh();
    const found: (readonly Grant[])[] = [];
    const own = this.#ofUsers.get(name);
    if (own) found.push(own);
    for (const group of groups) {
      const shared = this.#ofGroups.get(group);
      if (shared) found.push(shared);
    }
    return found;
  }

  /** Reads roles and bindings anew when one of them changed. */
  #refresh(): void {
    let changed = 0;
    for (const source of this.#sources) changed = Math.max(changed, source.changed);
    if (changed === this.#revision) return;
    this.#revision = changed;
    const grants = [
      ...this.#read<ClusterRoleBinding>(clusterRoleBindings).map((binding) => this.#grantOf(binding, '')),
      ...this.#read<RoleBinding>(roleBindings).map((each) => this.#grantOf(each, each.metadata?.namespace ?? '')),
    ];
    this.#ofUsers = bySubject(grants, ({ users }) => users);
    this.#ofGroups = bySubject(grants, ({ groups }) => groups);
  }

  #grantOf(binding: Binding, namespace: string): Grant {
    const { kind, name } = binding.roleRef;
    const resource = kind === 'ClusterRole' ? clusterRoles : roles;
    const key = objectKey(resource, kind === 'ClusterRole' ? '' : namespace, name);
    const role = this.#cache.resource(resource).get(key)?.parse<Role | ClusterRole>();
    const title = `${binding.kind} "${[namespace, binding.metadata?.name].filter(Boolean).join('/')}" of ${kind} "${name}"`;
    return { namespace, ...subjectsOf(binding, namespace), rules: role?.rules ?? [], title };
  }

  #read<T extends KubeObject>(resource: { group: string; plural: string }): T[] {
    return this.#cache
      .resource(resource)
      .list()
      .map((object) => object.parse<T>());
  }
}

function subjectsOf({ subjects = [] }: Binding, namespace: string): Pick<Grant, 'users' | 'groups'> {
  const users = new Set<string>();
  const groups = new Set<string>();
  for (const { kind, name, namespace: own = namespace } of subjects) {
    if (kind === 'User') users.add(name);
    else if (kind === 'Group') groups.add(name);
    else if (kind === 'ServiceAccount') users.add(`system:serviceaccount:${own}:${name}`);
  }
  return { users, groups };
}

function bySubject(grants: readonly Grant[], subjects: (grant: Grant) => ReadonlySet<string>) {
  const found = new Map<string, Grant[]>();
  for (const grant of grants) {
    for (const subject of subjects(grant)) {
      const known = found.get(subject);
      if (known) known.push(grant);
      else found.set(subject, [grant]);
    }
  }
  return found;
}

/** Whether a rule grants it, by Kubernetes' rules of matching. */
export function ruleAllows(rule: ResourceRule, { verb, resource, path }: Omit<Attributes, 'user'>): boolean {
  if (!includes(rule.verbs, verb)) return false;
  if (!resource) return (rule.nonResourceURLs ?? []).some((pattern) => coversPath(pattern, path ?? ''));
  const { group, plural, subresource, name } = resource;
  const names = rule.resourceNames ?? [];
  return (
    includes(rule.apiGroups, group) &&
    (rule.resources ?? []).some((pattern) => resourceMatches(pattern, plural, subresource)) &&
    (names.length === 0 || (name !== '' && names.includes(name)))
  );
}

function resourceMatches(pattern: string, plural: string, subresource: string): boolean {
  if (pattern === '*') return true;
  const asked = subresource === '' ? plural : `${plural}/${subresource}`;
  return pattern === asked || (subresource !== '' && pattern === `*/${subresource}`);
}
