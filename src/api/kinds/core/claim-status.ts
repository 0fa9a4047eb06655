import type { FieldError } from '../../kind.ts';
import type { PersistentVolumeClaim } from '../../types.ts';
import { all, notSupported, ruled } from '../errors.ts';
import { qualifiedName } from '../names.ts';
import { validateAmount } from '../podspec/resources.ts';
import { validateBasicAmount } from './claim-spec.ts';

/** How far the growth of a claim's volume can be. */
const stages = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

/** What is said of a claim by those who make its volume and let it grow. */
export function validateClaimStatus(status: PersistentVolumeClaim['status'] = {}): FieldError[] {
  const { capacity = {}, allocatedResources: allocated = {}, allocatedResourceStatuses: growing = {} } = status;
  return all(
    Object.entries(capacity).flatMap(([name, text]) => validateBasicAmount(text, `status.capacity[${name}]`)),
    Object.entries(growing).flatMap(([name, stage]) =>
      all(
        validateName(name, 'status.allocatedResourceStatuses'),
        // Kubernetes, too, shows the name where the stage is wrong.
        !stages.includes(stage) && [notSupported('status.allocatedResourceStatuses', name, stages)],
      ),
    ),
    Object.entries(allocated).flatMap(([name, text]) => {
      const wrong = validateName(name, 'status.allocatedResources');
      if (wrong.length > 0) return wrong;
      const at = `status.allocatedResources[${name}]`;
      const basic = validateBasicAmount(text, at);
      return basic.length > 0 ? basic : validateAmount(text, at);
    }),
  );
}

/** Of Kubernetes' own resources a volume has storage alone. */
function validateName(name: string, field: string): FieldError[] {
  const wrong = ruled(field, name, qualifiedName);
  const isNative = !name.includes('/') || name.includes('kubernetes.io/');
  if (wrong.length > 0 || !isNative || name === 'storage') return wrong;
  return [notSupported(field, name, ['storage'])];
}
