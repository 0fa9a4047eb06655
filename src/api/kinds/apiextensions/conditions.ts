import { formatTime } from '../../schema/time.ts';
import type { CustomResourceDefinition } from '../../types.ts';

type Condition = NonNullable<NonNullable<CustomResourceDefinition['status']>['conditions']>[number];

export function conditionOf(crd: CustomResourceDefinition, type: string): Condition | undefined {
  return crd.status?.conditions?.find((condition) => condition.type === type);
}

/** Sets a condition in place; the time of its last transition changes with its status only. */
export function setCondition(crd: CustomResourceDefinition, condition: Omit<Condition, 'lastTransitionTime'>): void {
  crd.status ??= { acceptedNames: { kind: '', plural: '' }, storedVersions: [] };
  const { conditions = [] } = crd.status;
  const present = conditionOf(crd, condition.type);
  const isSame = present?.status === condition.status;
  const lastTransitionTime = isSame ? present.lastTransitionTime : formatTime(new Date());
  const next: Condition = { lastTransitionTime, ...condition };
  crd.status.conditions = present ? conditions.map((each) => (each === present ? next : each)) : [...conditions, next];
}
