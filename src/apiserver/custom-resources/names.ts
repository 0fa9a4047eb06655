import { conditionOf, setCondition } from '../../api/kinds/apiextensions/conditions.ts';
import type { CustomResourceDefinition } from '../../api/types.ts';
import { equalAsJson } from '../registry/equality.ts';

type Names = CustomResourceDefinition['spec']['names'];
/** What of a definition others' names depend on. */
export interface NamedDefinition {
  readonly metadata?: Pick<NonNullable<CustomResourceDefinition['metadata']>, 'name'>;
  readonly spec: Pick<CustomResourceDefinition['spec'], 'group'>;
  readonly status?: Pick<NonNullable<CustomResourceDefinition['status']>, 'acceptedNames'>;
}

type NameField = 'plural' | 'singular' | 'kind' | 'listKind';

/**
 * The definition with the names that it gets, where that changes anything: those that no other one of its group has
 * (apiextensions' naming and establishing controllers). Whoever came first keeps a name.
 */
export function settleNames(
  crd: CustomResourceDefinition,
  all: readonly NamedDefinition[],
): CustomResourceDefinition | undefined {
  const others = all.filter((each) => each.spec.group === crd.spec.group && each.metadata?.name !== crd.metadata?.name);
  const next = structuredClone(crd);
  const { names, conflict } = acceptedNames(crd, others);
  next.status = { ...next.status, acceptedNames: names, storedVersions: next.status?.storedVersions ?? [] };
  const type = 'NamesAccepted';
  if (conflict) setCondition(next, { type, status: 'False', ...conflict });
  else setCondition(next, { type, status: 'True', reason: 'NoConflicts', message: 'no conflicts found' });
  establish(next, conflict === undefined);
  return equalAsJson(next.status, crd.status) ? undefined : next;
}

/** What is established stays so, whatever happens to its names. */
function establish(crd: CustomResourceDefinition, accepted: boolean): void {
  const type = 'Established';
  if (conditionOf(crd, type)?.status === 'True') return;
  if (accepted) {
    const message = 'the initial names have been accepted';
    setCondition(crd, { type, status: 'True', reason: 'InitialNamesAccepted', message });
  } else {
    setCondition(crd, { type, status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' });
  }
}

interface Conflict {
  readonly reason: string;
  readonly message: string;
}

function acceptedNames(crd: CustomResourceDefinition, others: readonly NamedDefinition[]) {
  const taken = others.map((each) => each.status?.acceptedNames).filter((names) => names !== undefined);
  const resources = new Set(
    taken.flatMap(({ plural, singular, shortNames = [] }) => [plural, singular, ...shortNames]),
  );
  const kinds = new Set(taken.flatMap(({ kind, listKind }) => [kind, listKind]));
  const wanted = crd.spec.names;
  const before: Names = crd.status?.acceptedNames ?? { kind: '', plural: '' };
  const names: Names = { ...before, categories: wanted.categories };
  let conflict: Conflict | undefined;
  const take = (field: NameField, reason: string, used: ReadonlySet<string | undefined>) => {
    const name = wanted[field];
    if (name !== before[field] && used.has(name)) {
      conflict = { reason, message: `${JSON.stringify(name)} is already in use` };
    } else if (name !== undefined) names[field] = name;
  };
  take('plural', 'PluralConflict', resources);
  take('singular', 'SingularConflict', resources);
  const inUse = (wanted.shortNames ?? []).filter((name) => !before.shortNames?.includes(name) && resources.has(name));
  if (inUse.length === 0) names.shortNames = wanted.shortNames;
  else {
    const messages = inUse.map((name) => `${JSON.stringify(name)} is already in use`);
    const message = messages.length === 1 ? (messages[0] ?? '') : `[${messages.join(', ')}]`;
    conflict = { reason: 'ShortNamesConflict', message };
  }
  take('kind', 'KindConflict', kinds);
  take('listKind', 'ListKindConflict', kinds);
  return { names, conflict };
}
