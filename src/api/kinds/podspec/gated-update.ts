import type { FieldError } from '../../kind.ts';
import type { PodSpec } from '../../types.ts';
import { all, invalid, sameValue } from '../errors.ts';

type NodeAffinity = NonNullable<NonNullable<PodSpec['affinity']>['nodeAffinity']>;
type Term = NonNullable<NodeAffinity['requiredDuringSchedulingIgnoredDuringExecution']>['nodeSelectorTerms'][number];

/** A pod that waits at a gate may be told more closely where it can stand, and not otherwise (KEP-3838). */
export function validateGatedPlacement(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  return all(
    validateNodeSelector(spec.nodeSelector, old.nodeSelector, `${field}.nodeSelector`),
    validateAffinity(spec.affinity?.nodeAffinity, old.affinity?.nodeAffinity, `${field}.affinity.nodeAffinity`),
  );
}

type Labels = Readonly<Record<string, string>>;

function validateNodeSelector(now: Labels | undefined, old: Labels = {}, field: string): FieldError[] {
  if (Object.entries(old).every(([key, value]) => now?.[key] === value)) return [];
  const detail = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
  return [invalid(field, now, detail)];
}

function validateAffinity(now: NodeAffinity | undefined, old: NodeAffinity | undefined, at: string): FieldError[] {
  const field = `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
  const termsOf = (one: NodeAffinity | undefined) =>
    one?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const [before, terms] = [termsOf(old), termsOf(now)];
  if (before.length === 0) return [];
  if (before.length !== terms.length) {
    return [
      invalid(
        field,
        terms.length > 0 ? terms.map(inGo) : null,
        'no additions/deletions to non-empty NodeSelectorTerms list are allowed',
      ),
    ];
  }
  const detail = 'only additions are allowed (no mutations or deletions)';
  return terms.flatMap((term, i) =>
    onlyAdds(term, before[i]!) ? [] : [invalid(`${field}[${i}]`, inGo(term), detail)],
  );
}

/** Whether a term says at its beginning all that it said before; one that matched nothing does not begin to. */
function onlyAdds(term: Term, old: Term): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  if (lists.every((list) => !old[list]?.length)) return lists.every((list) => !term[list]?.length);
  return lists.every((list) => {
    const before = old[list] ?? [];
    return sameValue((term[list] ?? []).slice(0, before.length), before);
  });
}

/** A term as Go's JSON shows it in messages. */
function inGo({ matchExpressions = [], matchFields = [] }: Term): object {
  const show = (list: NonNullable<Term['matchExpressions']>) =>
    list.length > 0
      ? list.map(({ key, operator, values = null }) => ({ Key: key, Operator: operator, Values: values }))
      : null;
  return { MatchExpressions: show(matchExpressions), MatchFields: show(matchFields) };
}
