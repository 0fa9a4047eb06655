import type { NodeFacts, PlanEntry, ServicePlan } from './plan.ts';

/** A plan that may be made while it is gone through, which may happen more than once: the oldest entries first. */
export type PlanSource = Pick<ServicePlan, 'values'>;

/** Writes a plan into the kernel. One suite of packets holds every implementation to the same behaviour. */
export interface Backend {
  /** Brings the kernel to `plan` and `node`, keeping what is right already. Called once, first. */
  load(plan: PlanSource, node: NodeFacts): Promise<void>;
  /** Entries that are new or changed, and `undefined` for those that are gone: one transaction. */
  update(changes: ReadonlyMap<string, PlanEntry | undefined>): Promise<void>;
  /** The node's addresses or pod CIDR changed. */
  setNode(node: NodeFacts): Promise<void>;
  /** Compares the kernel with what was written and mends it. Says what was wrong, `undefined` where nothing was. */
  audit(): Promise<string | undefined>;
  /** Removes everything that this back end ever writes. */
  cleanup(): Promise<void>;
}
