export { formatPlan, type PolicyNode, type PolicyPlan } from './plan.ts';
export { planPolicies } from './planner.ts';
export { type Policy, type PolicyOptions, startPolicy } from './policy.ts';
export { formatVerdict, type Packet, type Reason, type Verdict, verdict } from './verdict.ts';
