import type { ClusterRole, ClusterRoleBinding, KubeObject, Role, RoleBinding } from '../../../api/types.ts';
import { equalAsJson } from '../../registry/equality.ts';
import { missingRules } from '../escalation.ts';
import { AUTO_UPDATE } from './index.ts';

/** Who does not want what is theirs to be mended says so. */
const isProtected = ({ metadata }: KubeObject): boolean => metadata?.annotations?.[AUTO_UPDATE] === 'false';

/** A role with all that it should hold, and what people have added; `present` itself where nothing is missing. */
export function reconciledRole<T extends Role | ClusterRole>(present: T, wanted: T): T {
  // The rules of an aggregated role are its controller's.
  if (isProtected(present) || 'aggregationRule' in wanted) return present;
  if (equalAsJson(present.rules ?? [], wanted.rules ?? [])) return present;
  const missing = missingRules(present.rules ?? [], wanted.rules ?? []) as NonNullable<Role['rules']>;
  return missing.length === 0 ? present : { ...present, rules: [...(present.rules ?? []), ...missing] };
}

/** The same for the subjects of a binding. To which role it binds cannot be changed. */
export function reconciledBinding<T extends RoleBinding | ClusterRoleBinding>(present: T, wanted: T): T {
  if (isProtected(present)) return present;
  const held = present.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter(
    (subject) =>
      !held.some(
        ({ kind, name, namespace }) =>
          kind === subject.kind && name === subject.name && (namespace ?? '') === (subject.namespace ?? ''),
      ),
  );
  return missing.length === 0 ? present : { ...present, subjects: [...held, ...missing] };
}
