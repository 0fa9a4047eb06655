import type { Condition } from './objects.ts';

/** What a condition should say; when it began to is kept from what it says now. */
export type Verdict = Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>;

export function verdict(type: string, holds: boolean, reason: string, message = ''): Verdict {
  return { type, status: holds ? 'True' : 'False', reason, message };
}

/** A problem: the reason of a condition that does not hold, and what a person should know. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** The condition that holds where there is no problem; its reason is then `reason`, or its own name. */
export function unless(problem: Problem | undefined, type: string, reason = type): Verdict {
  return problem ? verdict(type, false, problem.reason, problem.message) : verdict(type, true, reason);
}

/** They stand in a status only while there is something to say. */
const optional = ['InsecureFrontendValidationMode', 'ResolvedRefs'];

/** The conditions for a status: those of others stay. */
export function conditionsOf(
  verdicts: readonly Verdict[],
  present: readonly Condition[] = [],
  observedGeneration: number | undefined,
  now: string,
): Condition[] {
  const mine = verdicts.map((each) => {
    const before = present.find(({ type }) => type === each.type);
    const lastTransitionTime = before?.status === each.status ? before.lastTransitionTime : now;
    return { ...each, lastTransitionTime, observedGeneration };
  });
  const others = present.filter(({ type }) => !optional.includes(type) && !verdicts.some((each) => each.type === type));
  return [...others, ...mine];
}
