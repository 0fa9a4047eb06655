import type { HorizontalPodAutoscaler } from '../../api/types.ts';
import { timestamp } from '../time.ts';

export type Status = NonNullable<HorizontalPodAutoscaler['status']>;
type Condition = NonNullable<Status['conditions']>[number];

/** Collects what an autoscaler has to say of itself in one round. */
export class Conditions {
  #list: Condition[];

  constructor(status: Status | undefined) {
    this.#list = [...(status?.conditions ?? [])];
  }

  get list(): Condition[] {
    return this.#list;
  }

  set(
    type: 'AbleToScale' | 'ScalingActive' | 'ScalingLimited',
    isTrue: boolean,
    reason: string,
    message: string,
  ): void {
    const status = isTrue ? 'True' : 'False';
    const present = this.#list.find((condition) => condition.type === type);
    const lastTransitionTime = present?.status === status ? present.lastTransitionTime : timestamp();
    const next = { type, status, reason, message, lastTransitionTime };
    this.#list = present ? this.#list.map((each) => (each === present ? next : each)) : [...this.#list, next];
  }
}
