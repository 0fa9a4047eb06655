import type { ObjectMeta, PodSpec } from '../../../api/types.ts';
import { baseline } from './baseline.ts';
import type { Check, PodFacts, Violation } from './check.ts';
import type { LevelVersion } from './policy.ts';
import { restricted } from './restricted.ts';

/** Whatever of a level a pod violates: rules of the baseline first, each in the order of their names. */
export function violationsOf(
  { level, minor }: LevelVersion,
  metadata: Pick<ObjectMeta, 'annotations'> | undefined,
  spec: PodSpec,
): Violation[] {
  if (level === 'privileged') return [];
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  const pod: PodFacts = { metadata: metadata ?? {}, spec, containers };
  const stricter = level === 'restricted' ? restricted : [];
  const overridden = new Set(stricter.flatMap((check) => (ruleAt(check, minor) ? (check.overrides ?? []) : [])));
  return [...baseline.filter(({ id }) => !overridden.has(id)), ...stricter].flatMap(
    (check) => ruleAt(check, minor)?.(pod) ?? [],
  );
}

const ruleAt = ({ versions }: Check, minor: number) => versions.findLast(([since]) => since <= minor)?.[1];

/** `host namespaces (hostPID=true), privileged (…)`. */
export const detailOf = (violations: readonly Violation[]): string =>
  violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');

export const reasonOf = (violations: readonly Violation[]): string => violations.map(({ reason }) => reason).join(', ');
