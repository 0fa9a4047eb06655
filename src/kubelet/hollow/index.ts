import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import type { Client } from '../../client/client.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { renewLease } from '../lease.ts';
import { hollowName } from './names.ts';
import { type HollowNodes, registerHollowNode } from './nodes.ts';
import { runHollowPods } from './pods.ts';

export interface HollowOptions extends HollowNodes {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** They are named `hollow-1`, `hollow-2`, …; at most 10,000. */
  readonly count: number;
}

/** Nodes that are registered, and leases that are renewed, at once. */
const atOnce = 32;
/** Each lease is renewed once in this time: half of what it is good for. */
const renewMs = 20_000;
/** The leases of a part of the nodes are renewed at a time. */
const turns = 20;

/** Registers the nodes and keeps them and their pods as if they were there. Resolves before all are registered. */
export async function startHollowNodes(options: HollowOptions): Promise<Running> {
  const { client, informers, log, count } = options;
  const pods = runHollowPods({ client, informers, log });
  await informers.start();
  const abort = new AbortController();
  const indexes = Array.from({ length: count }, (_, index) => index);
  const attempt = async (index: number, work: (index: number) => Promise<void>) => {
    try {
      if (!abort.signal.aborted) await work(index);
    } catch (error) {
      log.warn('a hollow node could not be kept', { node: hollowName(index), error: messageOf(error) });
    }
  };
  const running = (async () => {
    await inParallel(indexes, (index) => attempt(index, () => registerHollowNode(client, index, options)));
    log.info('hollow nodes are registered', { count });
    for (let turn = 0; !abort.signal.aborted; turn = (turn + 1) % turns) {
      const part = indexes.filter((index) => index % turns === turn);
      await inParallel(part, (index) => attempt(index, () => renewLease(client, hollowName(index))));
      await delay(renewMs / turns, undefined, { signal: abort.signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      abort.abort();
      await Promise.all([running, pods.stop()]);
    },
  };
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
