import type { FieldError } from '../../kind.ts';
import type { Container } from '../../types.ts';
import { all, duplicate, each, invalid, oneOf, required } from '../errors.ts';

type Policy = NonNullable<Container['resizePolicy']>[number];

/** Whether a container goes on when it is given more or less (KEP-1287). */
export function validateResizePolicy(
  policies: readonly Policy[],
  podRestartPolicy: string | undefined,
  field: string,
): FieldError[] {
  return each(policies, field, ({ resourceName = '', restartPolicy = '' }, at, i) => {
    const again = policies.slice(0, i).some((other) => (other.resourceName ?? '') === resourceName);
    const neverAgain = podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired';
    const detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
    // Kubernetes names the list for what is wrong in one of its entries.
    return all(
      again && [duplicate(at, resourceName)],
      resourceName ? oneOf(field, resourceName, ['cpu', 'memory']) : [required(field)],
      restartPolicy ? oneOf(field, restartPolicy, ['NotRequired', 'RestartContainer']) : [required(field)],
      neverAgain && [invalid(field, restartPolicy, detail)],
    );
  });
}
