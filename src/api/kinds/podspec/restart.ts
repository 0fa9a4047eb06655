import type { FieldError } from '../../kind.ts';
import type { Container } from '../../types.ts';
import { oneOf, required, tooMany } from '../errors.ts';

type Rule = NonNullable<Container['restartPolicyRules']>[number];

const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;

/** A container's own restart policy, and the exit codes that are excepted from it (KEP-5307, KEP-5532). */
export function validateRestart({ restartPolicy, restartPolicyRules = [] }: Container, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (restartPolicy !== undefined) {
    errors.push(...oneOf(`${field}.restartPolicy`, restartPolicy, ['Always', 'Never', 'OnFailure']));
  } else if (restartPolicyRules.length > 0) {
    errors.push(required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
  }
  const at = `${field}.restartPolicyRules`;
  if (restartPolicyRules.length > MAX_RULES) errors.push(tooMany(at, restartPolicyRules.length, MAX_RULES));
  return [...errors, ...restartPolicyRules.flatMap((rule, i) => validateRule(rule, `${at}[${i}]`))];
}

function validateRule({ action, exitCodes }: Rule, field: string): FieldError[] {
  const errors = oneOf(`${field}.action`, action, ['Restart', 'RestartAllContainers']);
  if (!exitCodes) return [...errors, required(`${field}.exitCodes`, 'must be specified')];
  const values = exitCodes.values ?? [];
  return [
    ...errors,
    ...oneOf(`${field}.exitCodes.operator`, exitCodes.operator, ['In', 'NotIn']),
    ...(values.length > MAX_EXIT_CODES ? [tooMany(`${field}.exitCodes.values`, values.length, MAX_EXIT_CODES)] : []),
  ];
}
