import { serviceCIDRs } from '../../api/resource.ts';
import type { ServiceCIDR } from '../../api/types.ts';
import { ensure, update } from '../bootstrap.ts';
import type { Context } from '../context.ts';
import { now } from '../registry/write.ts';

/** Name of the ServiceCIDR that every cluster has. */
export const DEFAULT_RANGE = 'kubernetes';

/** Kept by ServiceCIDRs until no address depends on them. */
export const RANGE_FINALIZER = 'networking.k8s.io/service-cidr-finalizer';

/** Makes the ServiceCIDR of the cluster's own ranges, where somebody deleted it too; adds the second family to it. */
export async function ensureDefaultRange(context: Context, cidrs: readonly string[]): Promise<void> {
  const metadata = { name: DEFAULT_RANGE, finalizers: [RANGE_FINALIZER] };
  await ensure<ServiceCIDR>(context, serviceCIDRs, { metadata, spec: { cidrs: [...cidrs] } });
  await update<ServiceCIDR>(context, serviceCIDRs, DEFAULT_RANGE, '', (present) => {
    const [first, ...others] = present.spec?.cidrs ?? [];
    return first === cidrs[0] && others.length < cidrs.length - 1
      ? { ...present, spec: { cidrs: [...cidrs] } }
      : present;
  });
  // A server that ended between the two writes left it without. One that is being deleted is the controller's.
  await update<ServiceCIDR>(context, serviceCIDRs, DEFAULT_RANGE, 'status', (present) => {
    const isOurs = present.spec?.cidrs?.join() === cidrs.join() && !present.metadata?.deletionTimestamp;
    return isOurs && !present.status?.conditions?.length ? { ...present, status: { conditions: [ready()] } } : present;
  });
}

function ready() {
  const message = 'Kubernetes default Service CIDR is ready';
  return { type: 'Ready', status: 'True', reason: '', message, lastTransitionTime: now() };
}
