import type { HorizontalPodAutoscaler } from '../../api/types.ts';

type Behavior = NonNullable<NonNullable<HorizontalPodAutoscaler['spec']>['behavior']>;
type Rules = NonNullable<Behavior['scaleUp']>;
type Policy = NonNullable<Rules['policies']>[number];

const defaultUp: Required<Pick<Rules, 'policies' | 'selectPolicy'>> = {
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const defaultDown: typeof defaultUp = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};
const DOWN_WINDOW_SECONDS = 300;

interface Recommendation {
  readonly at: number;
  readonly replicas: number;
}

/** What an autoscaler proposed and did, so far as it bounds what it may do next. Times in ms. */
export class ScalingHistory {
  #proposals: Recommendation[] = [];
  #changes: Recommendation[] = [];

  /** The proposal after the stabilization windows: the lowest of late when it grows, the highest when it shrinks. */
  stabilized(behavior: Behavior | undefined, current: number, proposed: number, now: number): number {
    const up = (behavior?.scaleUp?.stabilizationWindowSeconds ?? 0) * 1000;
    const down = (behavior?.scaleDown?.stabilizationWindowSeconds ?? DOWN_WINDOW_SECONDS) * 1000;
    this.#proposals = this.#proposals.filter(({ at }) => now - at < Math.max(up, down));
    const within = (ms: number) => this.#proposals.filter(({ at }) => now - at < ms).map(({ replicas }) => replicas);
    this.#proposals.push({ at: now, replicas: proposed });
    const lowest = Math.min(proposed, ...within(up));
    const highest = Math.max(proposed, ...within(down));
    return Math.min(Math.max(current, lowest), highest);
  }

  /** As far towards `wanted` as the policies let it go now. */
  limited(behavior: Behavior | undefined, current: number, wanted: number, now: number): number {
    if (wanted > current) {
      const rules = { ...defaultUp, ...behavior?.scaleUp };
      if (rules.selectPolicy === 'Disabled') return current;
      const bounds = (rules.policies ?? []).map((policy) => {
        const from = current - this.#changed(policy, 1, now);
        return policy.type === 'Pods' ? from + policy.value : Math.ceil(from * (1 + policy.value / 100));
      });
      const bound = rules.selectPolicy === 'Min' ? Math.min(...bounds) : Math.max(...bounds);
      return Math.min(wanted, Math.max(current, bound));
    }
    const rules = { ...defaultDown, ...behavior?.scaleDown };
    if (wanted === current || rules.selectPolicy === 'Disabled') return current;
    const bounds = (rules.policies ?? []).map((policy) => {
      const from = current + this.#changed(policy, -1, now);
      return policy.type === 'Pods' ? from - policy.value : Math.floor(from * (1 - policy.value / 100));
    });
    // What removes most is the lowest number.
    const bound = rules.selectPolicy === 'Min' ? Math.max(...bounds) : Math.min(...bounds);
    return Math.max(wanted, Math.min(current, bound));
  }

  /** Notes a change of scale by `difference` pods. */
  changed(difference: number, now: number): void {
    this.#changes = [...this.#changes.filter(({ at }) => now - at < 3_600_000), { at: now, replicas: difference }];
  }

  #changed({ periodSeconds }: Policy, sign: 1 | -1, now: number): number {
    return this.#changes
      .filter(({ at, replicas }) => now - at < periodSeconds * 1000 && Math.sign(replicas) === sign)
      .reduce((sum, { replicas }) => sum + Math.abs(replicas), 0);
  }
}
