import { SYSTEM_CRITICAL } from '../api/system-priorities.ts';
import type { Pod } from '../api/types.ts';
import { isStatic, mirroredHash } from './static-pods/manifests.ts';

/** Static and system pods run and stay, whatever the node is short of. */
export const isCritical = (pod: Pod): boolean =>
  isStatic(pod) || mirroredHash(pod) !== undefined || (pod.spec?.priority ?? 0) >= SYSTEM_CRITICAL;
