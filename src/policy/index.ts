export { type Policy, type PolicyOptions, startPolicy } from './policy.ts';
