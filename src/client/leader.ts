import { leases } from '../api/resource.ts';
import type { Lease } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { pause } from './backoff.ts';
import { type Client, isAlreadyExists, isConflict, isNotFound, type ObjectRef } from './client.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly log: Log;
  /** The Lease that is fought for. */
  readonly lease: Required<ObjectRef>;
  /** Who this is; different for each candidate. */
  readonly identity: string;
  /** After so long without renewal others may take over. Default 15 s, as Kubernetes. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for so long steps down. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Default 2 s. */
  readonly retryMs?: number;
  /** Leads; stops when `signal` fires. */
  lead(signal: AbortSignal): Promise<void>;
}

/**
 * Calls `lead` while this candidate holds the Lease. A lease's age is measured by this machine's own clock since its
 * last change was seen, so that clocks need not agree (client-go's leaderelection does the same).
 */
export function runLeaderElection(options: LeaderElectionOptions): Running {
  const { log, renewDeadlineMs = 10_000, retryMs = 2_000 } = options;
  const abort = new AbortController();
  const attempt = createAttempt(options);

  const holdAndLead = async (): Promise<void> => {
    const term = new AbortController();
    const leading = options.lead(AbortSignal.any([abort.signal, term.signal]));
    let renewed = performance.now();
    while (!abort.signal.aborted && performance.now() - renewed < renewDeadlineMs) {
      await pause(retryMs, abort.signal);
      const holds = abort.signal.aborted || (await attempt.acquire());
      if (holds === true) renewed = performance.now();
      if (holds === false) break;
    }
    term.abort();
    await leading;
  };

  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      if ((await attempt.acquire()) !== true) {
        await pause(retryMs, abort.signal);
        continue;
      }
      log.info('became leader', { lease: options.lease.name });
      await holdAndLead().catch((error: unknown) => log.error('leading failed', { error }));
      if (abort.signal.aborted) await attempt.release();
      else log.warn('lost the lease', { lease: options.lease.name });
    }
  };

  const running = run();
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
}

/** True: it is ours. False: it is another's. Undefined: nobody knows, as when it was written meanwhile. */
type Holds = boolean | undefined;

function createAttempt(options: LeaderElectionOptions) {
  const { client, lease: ref, identity, log, leaseDurationMs = 15_000 } = options;
  let seen = { version: '', at: 0 };

  const acquire = async (): Promise<Holds> => {
    try {
      const lease = await client.get(leases, ref).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (!lease) {
        await client.create(leases, { metadata: { ...ref }, spec: specOf(undefined) });
        return true;
      }
      const version = lease.metadata?.resourceVersion ?? '';
      if (seen.version !== version) seen = { version, at: performance.now() };
      const holder = lease.spec?.holderIdentity;
      if (holder && holder !== identity && performance.now() - seen.at < leaseDurationMs) return false;
      await client.update(leases, { ...lease, spec: specOf(lease) });
      return true;
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error)) return undefined;
      log.warn(`cannot renew the lease ${ref.name}: ${messageOf(error)}`);
      return undefined;
    }
  };

  const specOf = (lease: Lease | undefined): Lease['spec'] => {
    const now = microTime();
    const mine = lease?.spec?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: mine ? lease?.spec?.acquireTime : now,
      renewTime: now,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (lease && !mine ? 1 : 0),
    };
  };

  const release = async (): Promise<void> => {
    try {
      const lease = await client.get(leases, ref);
      if (lease.spec?.holderIdentity !== identity) return;
      await client.update(leases, { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } });
    } catch (error) {
      // Others then wait until it has run out.
      log.warn(`cannot release the lease ${ref.name}: ${messageOf(error)}`);
    }
  };

  return { acquire, release };
}

/** MicroTime: RFC 3339 with six digits. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
