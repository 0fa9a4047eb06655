import type { Pod } from '../api/types.ts';
import { isStatic, mirroredHash } from './static-pods/manifests.ts';

/** The priority of `system-cluster-critical`. */
export const SYSTEM_CRITICAL = 2_000_000_000;

/** Static and system pods run and stay, whatever the node is short of. */
export const isCritical = (pod: Pod): boolean =>
  isStatic(pod) || mirroredHash(pod) !== undefined || (pod.spec?.priority ?? 0) >= SYSTEM_CRITICAL;
