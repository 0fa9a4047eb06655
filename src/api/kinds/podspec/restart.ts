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

/** Whether a container that ended so is started again: its rules say it, else its own policy, else the pod's (KEP-5307). */
export function restartsAfter(container: Container, podPolicy: string | undefined, exitCode: number): boolean {
  const own = container.restartPolicy;
  const rule = own ? matchingRule(container, exitCode) : undefined;
  if (rule?.action === 'Restart' || rule?.action === 'RestartAllContainers') return true;
  const policy = own || podPolicy || 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** What is done with a container that ended so; of several rules the first counts. */
export function matchingRule({ restartPolicyRules = [] }: Container, exitCode: number): Rule | undefined {
  return restartPolicyRules.find(({ exitCodes }) => {
    if (!exitCodes) return false;
    const isListed = (exitCodes.values ?? []).includes(exitCode);
    return exitCodes.operator === 'In' ? isListed : exitCodes.operator === 'NotIn' && !isListed;
  });
}

/** Whether one of the containers may have all of them start anew (KEP-5532). */
export const mayRestartAll = (containers: readonly Container[]): boolean =>
  containers.some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  );
