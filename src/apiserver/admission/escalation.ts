import type { ClusterRole, KubeObject, Role, RoleBinding } from '../../api/types.ts';
import type { Authorizer, ResourceRule } from '../auth/authorizer.ts';
import { everything } from '../auth/authorizers.ts';
import { missingRights, quotedList } from '../auth/escalation.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden, notFound } from '../errors.ts';
import { equalAsJson } from '../registry/equality.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';

const RBAC = 'rbac.authorization.k8s.io';

/**
 * Nobody grants what they do not hold: a role's rules need the verb `escalate` or the rights themselves, a binding
 * needs `bind` on its role or the role's rights. `system:masters` hold all.
 */
export function escalation(cache: WatchCache, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'PrivilegeEscalation',
    admit(request) {
      const { kind, operation, object, old, user } = request;
      if (kind.group !== RBAC || operation === 'DELETE' || !object) return undefined;
      // What only changes who owns the object, or its annotations, grants nothing new.
      if (user.groups.includes('system:masters') || (old && grantsTheSame(object, old))) return undefined;
      if (kind.plural.endsWith('bindings')) confirmBinding(request, object as RoleBinding);
      else confirmRole(request, object as Role | ClusterRole);
      return undefined;
    },
  };

  function confirmRole(request: AdmissionRequest, role: Role | ClusterRole): void {
    if (may(request, 'escalate', request.kind.plural, request.name)) return;
    const aggregates = 'aggregationRule' in role && role.aggregationRule !== undefined;
    confirm(request, aggregates ? everything : (role.rules ?? []), aggregates);
  }

  function confirmBinding(request: AdmissionRequest, { roleRef }: RoleBinding): void {
    // Validation says what is wrong with another kind.
    if (roleRef?.kind !== 'ClusterRole' && roleRef?.kind !== 'Role') return;
    const plural = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
    if (may(request, 'bind', plural, roleRef.name)) return;
    const resource = { group: RBAC, plural };
    const key = objectKey(resource, plural === 'roles' ? request.namespace : '', roleRef.name);
    const role = cache.resource(resource).get(key)?.parse<Role | ClusterRole>();
    if (!role) throw notFound(resource, roleRef.name);
    confirm(request, role.rules ?? []);
  }

  function may({ user, namespace }: AdmissionRequest, verb: string, plural: string, name: string): boolean {
    const resource = { group: RBAC, version: 'v1', plural, subresource: '', namespace, name };
    return authorizer.authorize({ user, verb, resource }).allowed;
  }

  function confirm(request: AdmissionRequest, rules: readonly ResourceRule[], aggregates = false): void {
    const { kind, name, namespace, user } = request;
    const missing = missingRights(authorizer.rulesFor(user, namespace), rules);
    if (missing.length === 0) return;
    const why = `user ${JSON.stringify(user.name)} (groups=${quotedList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${missing.join('\n')}`;
    throw forbidden(kind, name, aggregates ? 'must have cluster-admin privileges to use the aggregationRule' : why);
  }
}

function grantsTheSame(object: KubeObject, old: KubeObject): boolean {
  const { metadata: _, ...next } = object;
  const { metadata: __, ...before } = old;
  return equalAsJson(next, before) && equalAsJson(object.metadata?.labels ?? {}, old.metadata?.labels ?? {});
}
