import type { Log } from '../base/log.ts';
import { family } from '../base/metrics.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import { runLeaderElection } from '../client/leader.ts';

const NAMESPACE = 'kube-system';
/** Longer than Kubernetes' two seconds: each renewal is a write, also in a cluster where nothing happens. */
const RETRY_MS = 5_000;

export interface LeadingOptions {
  readonly client: Client;
  readonly log: Log;
  /**
   * Who this server is. A server that is started again is the same candidate, and goes on at once with the leases that
   * it left behind.
   */
  readonly identity: string;
  /** Called when another candidate has taken a lease: what was started for it must not write any more. */
  lost(name: string): void;
}

export interface Leading {
  /** Starts something when the Lease of this name is ours. Resolves when it has started. */
  lead(name: string, start: () => Promise<Running>): Promise<Running>;
  /** As lines for Prometheus. */
  metrics(): string[];
}

/** What only one server of a cluster may run, under the leases that Kubernetes' components have. */
export function createLeading({ client, log, identity, lost }: LeadingOptions): Leading {
  const names = new Map<string, boolean>();
  return {
    async lead(name, start) {
      names.set(name, false);
      const started = Promise.withResolvers<Running>();
      const stopping = new AbortController();
      const election = runLeaderElection({
        client,
        log,
        lease: { namespace: NAMESPACE, name },
        identity,
        retryMs: RETRY_MS,
        // The API server is this process: while it cannot write, it can give the lease to nobody else either.
        renewDeadlineMs: Number.POSITIVE_INFINITY,
        async lead(signal) {
          names.set(name, true);
          const ended = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          start().then(started.resolve, started.reject);
          await ended;
          names.set(name, false);
          if (!stopping.signal.aborted) lost(name);
        },
      });
      const running = await started.promise;
      return {
        async stop() {
          stopping.abort();
          // The lease goes when nothing writes for it any more.
          await running.stop();
          await election.stop();
        },
      };
    },
    metrics: () =>
      family(
        'leader_election_master_status',
        'gauge',
        "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
        [...names].map(([name, leads]) => `leader_election_master_status{name="${name}"} ${Number(leads)}`),
      ),
  };
}
