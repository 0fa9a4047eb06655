import { nodes, services } from '../../api/resource.ts';
import type { Node } from '../../api/types.ts';
import type { Log } from '../../base/log.ts';
import type { Running } from '../../base/running.ts';
import type { Client } from '../../client/client.ts';
import { runController } from '../../client/controller.ts';
import { createEventRecorder } from '../../client/events.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { openNft } from '../../kernel/nft.ts';
import { type AddressPool, isBalanced } from './addresses.ts';
import { LoadBalancerKernel } from './apply.ts';
import { startAddressController } from './controller.ts';
import { type HealthCheckSettings, HealthChecks } from './health.ts';
import { checksFor, type LoadBalancerPlan, nodeCheck, type PlanInput, planLoadBalancers } from './plan.ts';

export interface LoadBalancerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  /** One a family. */
  readonly pools: readonly AddressPool[];
  /** IPv4, `10.89.0.0/24` */
  readonly nodeCIDR: string;
  readonly healthCheck: HealthCheckSettings;
}

/** Changes come in groups: a node's, its Services' and its checks'. */
const SETTLE_MS = 5;
/** Without a load balancer there is only to clear up after an earlier server, which no boot need wait for. */
const IDLE_MS = 5000;

/**
 * The cloud's L4 load balancers: addresses for Services, health checks of nodes, and the rules in the fabric's
 * namespace, where it must run. What is in the kernel stays when it stops, so that packets go on meanwhile.
 */
export async function startLoadBalancers(options: LoadBalancerOptions): Promise<Running> {
  const { client, informers, log, pools, nodeCIDR } = options;
  const allNodes = informers.informer(nodes);
  const allServices = informers.informer(services);
  const events = createEventRecorder(client, { component: 'service-controller' });
  const nft = openNft({ log });
  const kernels = pools.map((pool) => new LoadBalancerKernel(nft, pool));
  const health = new HealthChecks(options.healthCheck, () => controller.enqueueAfter('all', SETTLE_MS));
  let applied: LoadBalancerPlan = { nodes: [], addresses: [] };
  let dead = new Set<number>();
  let doubtful = false;
  let unwatch: (() => void) | undefined;

  const sync = async (): Promise<void> => {
    const input: PlanInput = { services: allServices.list(), nodes: allNodes.list(), pools, nodeCIDR };
    health.set(checksFor(input));
    // What is in the kernel serves until it is known what shall be.
    if (applied.addresses.length === 0) await health.known();
    const plan = planLoadBalancers(input, (check) => health.of(check) === 'healthy');
    if (doubtful) await Promise.all(kernels.map((kernel) => kernel.check()));
    doubtful = false;
    for (const kernel of kernels) await kernel.apply(plan);
    const lost = lostMarks(applied, plan, new Set(input.nodes.filter((node) => isDead(node, health)).map(nameOf)));
    for (const mark of lost) {
      if (!dead.has(mark)) await Promise.all(kernels.map((kernel) => kernel.moveFlows(mark)));
    }
    dead = lost;
    if (plan.addresses.length > 0) unwatch ??= nft.onForeignCommit(onForeignCommit);
    else unwatch = void unwatch?.();
    applied = plan;
  };
  const controller = runController({
    name: 'load-balancer',
    log,
    informers: [allNodes, allServices],
    workers: 1,
    sync,
  });
  const onForeignCommit = () => {
    doubtful = true;
    controller.enqueueAfter('all', SETTLE_MS);
  };
  const addresses = startAddressController({ client, informers, log, events, pools });
  const wake = () => {
    const busy = applied.addresses.length > 0 || allServices.list().some(isBalanced);
    controller.enqueueAfter('all', busy ? SETTLE_MS : IDLE_MS);
  };
  allNodes.onChange(wake);
  allServices.onChange((now, old) => {
    if ([now, old].some((service) => service && isBalanced(service))) wake();
  });
  await informers.start();
  wake();
  return {
    async stop() {
      unwatch?.();
      await health.stop();
      await Promise.all([addresses.stop(), controller.stop()]);
      await nft.stop();
      await events.flush();
    },
  };
}

/** Marks of nodes that cannot serve what they have: dead ones, and those that were there and are not any more. */
function lostMarks(before: LoadBalancerPlan, now: LoadBalancerPlan, dead: ReadonlySet<string>): Set<number> {
  const present = new Set(now.nodes.filter(({ name }) => !dead.has(name)).map(({ mark }) => mark));
  return new Set([...before.nodes, ...now.nodes].map(({ mark }) => mark).filter((mark) => !present.has(mark)));
}

function isDead(node: Node, health: HealthChecks): boolean {
  return health.of(nodeCheck(node)) === 'silent';
}

function nameOf(node: Node): string {
  return node.metadata?.name ?? '';
}
