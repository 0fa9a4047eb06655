import type { WatchCache } from '../cache/watch-cache.ts';
import type { AdmissionPlugin } from './chain.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';

export interface AdmissionOptions {
  /** `10.96.0.0/16` */
  readonly serviceCIDR: string;
  readonly nodePortRange: readonly [first: number, last: number];
}

/** What looks at every write, in this order. */
export function admissionPlugins(cache: WatchCache, _options: AdmissionOptions): AdmissionPlugin[] {
  return [namespaceLifecycle(cache)];
}
