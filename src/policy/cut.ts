import type { FlowFilter, TrackedFlow } from '../kernel/conntrack.ts';
import type { PolicyPlan } from './plan.ts';
import { verdict } from './verdict.ts';

/**
 * Connections that policies forbid, though they were admitted when they began. Policies judge real addresses: the
 * client's before masquerade, and the endpoint that answers in place of a Service's address. A pod that the plan does
 * not know yet keeps what it has.
 */
export function flowsToCut(flows: Iterable<Required<TrackedFlow>>, plan: PolicyPlan): FlowFilter[] {
  return [...flows].filter(({ protocol, source, replyAddress, replyPort }) => {
    const { allowed, by } = verdict(plan, { protocol, source, destination: replyAddress, port: replyPort });
    return !allowed && by.at(-1)?.kind === 'default-deny';
  });
}
