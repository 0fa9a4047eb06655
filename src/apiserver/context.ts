import type { Log } from '../base/log.ts';
import type { Store } from '../store/store.ts';
import type { Admission } from './admission/chain.ts';
import type { Aggregator } from './aggregation/aggregator.ts';
import type { Authorizer } from './auth/authorizer.ts';
import type { BootstrapTokens } from './auth/bootstrap-tokens.ts';
import type { TokenIssuer } from './auth/tokens.ts';
import type { WatchCache } from './cache/watch-cache.ts';
import type { KindTable } from './kinds.ts';
import type { RequestMetrics } from './metrics.ts';

/** What handlers work with. */
export interface Context {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly kinds: KindTable;
  readonly admission: Admission;
  readonly authorizer: Authorizer;
  readonly tokens: TokenIssuer;
  readonly bootstrapTokens: BootstrapTokens;
  readonly metrics: RequestMetrics;
  /** See {@link ApiServerOptions.moreMetrics}. */
  moreMetrics(): readonly string[];
  readonly log: Log;
  /** How to reach kubelets; `undefined` where no node's kubelet is spoken to. */
  readonly kubeletTLS: KubeletTLS | undefined;
  /** API groups that other servers answer. */
  readonly aggregator: Aggregator;
}

/** The API server's own client certificate for kubelets, and the CA that signed theirs. PEM. */
export interface KubeletTLS {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}
