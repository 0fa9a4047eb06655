import { endpointSlices, namespaces, networkPolicies, pods, type Resource, services } from '../../src/api/resource.ts';
import type { EndpointSlice, KubeObject, LabelSelector, NetworkPolicy, Pod, Service } from '../../src/api/types.ts';
import { createLog } from '../../src/base/log.ts';
import { waitFor } from '../../src/base/wait.ts';
import { ApiError, type Client } from '../../src/client/client.ts';
import type { ClusterConfig } from '../../src/cluster/config.ts';
import { enterNodeTarget } from '../../src/cluster/enter.ts';
import { adminClient } from '../../src/cluster/ready.ts';
import { readWorld } from '../../src/cluster/tracing.ts';
import { openNft } from '../../src/kernel/nft.ts';
import { run, tryRun } from '../../src/kernel/run.ts';
import { PolicyTables } from '../../src/policy/nftables/tables.ts';
import { Random } from '../../src/policy/testing/random.ts';
import {
  differences,
  type KernelServices,
  servicesOfIptables,
  servicesOfNftables,
  servicesOfPlan,
} from '../../src/proxy/testing/kernel-services.ts';
import { Atlas } from '../../src/trace/world.ts';

export interface SoakResult {
  /** What the API server took. */
  readonly operations: number;
  /** What it refused, such as a port that is taken. */
  readonly refused: number;
  /** Where a kernel differs from the plan, with the node before it; none where all is right. */
  readonly wrong: readonly string[];
}

const SETTLE_MS = 60_000;
const MAX_PODS = 6;

/**
 * Creates, changes and deletes Services, slices, policies and pods by chance for so long, one after the other; then reads
 * the kernel of every node back. `mode` is how Services stand there.
 */
export async function soak(
  config: ClusterConfig,
  options: { readonly seconds: number; readonly seed: number; readonly mode: 'nftables' | 'iptables' },
): Promise<SoakResult> {
  const { client, close } = adminClient(config);
  const chaos = new Chaos(client, new Random(options.seed), config);
  try {
    // The one of a soak before may still be on its way out.
    const create = () => client.create(namespaces, { metadata: { name: NAMESPACE } });
    await waitFor(create, { what: 'the namespace', timeoutMs: 60_000 });
    await waitFor(async () => (await chaos.accountThere()) || undefined, { what: 'its account', timeoutMs: 60_000 });
    const until = Date.now() + options.seconds * 1000;
    while (Date.now() < until) await chaos.step();
    const { operations, refused } = chaos;
    return { operations, refused, wrong: await untilRight(config, options.mode) };
  } finally {
    await client.delete(namespaces, { name: NAMESPACE }).catch(() => undefined);
    await close();
  }
}

const NAMESPACE = 'soak';

class Chaos {
  operations = 0;
  refused = 0;
  readonly #client: Client;
  readonly #random: Random;
  readonly #nodes: readonly string[];
  readonly #dual: boolean;

  constructor(client: Client, random: Random, config: ClusterConfig) {
    this.#client = client;
    this.#random = random;
    this.#nodes = config.nodes.map((node) => node.name);
    this.#dual = config.addresses.ipv6 !== undefined;
  }

  async accountThere(): Promise<boolean> {
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/default`;
    return await this.#client.raw('GET', path).then(
      () => true,
      () => false,
    );
  }

  async step(): Promise<void> {
    const random = this.#random;
    const name = `${random.of(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])}`;
    const work = random.of([
      () => this.#put(services, this.#service(name)),
      () => this.#put(services, this.#service(name)),
      () => this.#put(endpointSlices, this.#slice(name)),
      () => this.#put(endpointSlices, this.#slice(name)),
      () => this.#put(endpointSlices, this.#slice(name)),
      () => this.#put(networkPolicies, this.#policy(name)),
      () => this.#delete(services, name),
      () => this.#delete(endpointSlices, `${name}-manual`),
      () => this.#delete(networkPolicies, name),
      () => this.#pod(),
    ]);
    try {
      await work();
      this.operations++;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code >= 500) throw error;
      this.refused++;
    }
  }

  async #put<T extends KubeObject>(resource: Resource<T>, object: T): Promise<void> {
    const ref = { namespace: NAMESPACE, name: object.metadata?.name ?? '' };
    const present = await this.#client.get(resource, ref).catch(() => undefined);
    if (!present) await this.#client.create(resource, object);
    else await this.#client.patch(resource, ref, 'merge', object);
  }

  async #delete<T extends KubeObject>(resource: Resource<T>, name: string): Promise<void> {
    await this.#client.delete(resource, { namespace: NAMESPACE, name });
  }

  #service(name: string): Service {
    const random = this.#random;
    const type = random.of(['ClusterIP', 'ClusterIP', 'NodePort']);
    const protocol = random.of(['TCP', 'TCP', 'UDP']);
    return {
      metadata: { namespace: NAMESPACE, name },
      spec: {
        type,
        ...(random.int(2) === 0 ? { selector: { app: random.of(['x', 'y']) } } : {}),
        ports: [
          { name: 'one', port: 80 + random.int(3), protocol, targetPort: 8080 },
          ...(random.int(3) === 0 ? [{ name: 'two', port: 90, protocol: 'TCP', targetPort: 9000 }] : []),
        ],
        sessionAffinity: random.of(['None', 'None', 'ClientIP']),
        internalTrafficPolicy: random.of(['Cluster', 'Cluster', 'Local']),
        ...(type === 'NodePort' ? { externalTrafficPolicy: random.of(['Cluster', 'Local']) } : {}),
        ...(this.#dual ? { ipFamilyPolicy: random.of(['SingleStack', 'PreferDualStack']) } : {}),
      },
    };
  }

  /** Written by hand, beside those of the controller; its addresses need not be there. */
  #slice(service: string): EndpointSlice {
    const random = this.#random;
    const name = `${service}-manual`;
    const endpoint = () => ({
      addresses: [`192.0.2.${1 + random.int(30)}`],
      conditions: random.of([{ ready: true }, { ready: true }, { ready: false, serving: true, terminating: true }]),
      nodeName: this.#nodes[random.int(this.#nodes.length)],
    });
    return {
      metadata: { namespace: NAMESPACE, name, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports: [{ name: 'one', port: 8000 + random.int(3), protocol: random.of(['TCP', 'UDP']) }],
      endpoints: Array.from({ length: random.int(6) }, endpoint),
    };
  }

  #policy(name: string): NetworkPolicy {
    const random = this.#random;
    const peer = () => ({
      podSelector: random.of<LabelSelector>([{}, { matchLabels: { app: 'x' } }, { matchLabels: { app: 'y' } }]),
    });
    return {
      metadata: { namespace: NAMESPACE, name },
      spec: {
        podSelector: random.of<LabelSelector>([{}, { matchLabels: { app: 'x' } }, { matchLabels: { app: 'none' } }]),
        policyTypes: ['Ingress'],
        ingress: random.few(() => ({
          from: random.few(peer),
          ports: random.few(() => ({ port: 8080 + random.int(3) })),
        })),
      },
    };
  }

  /** One more, or one less. */
  async #pod(): Promise<void> {
    const present = (await this.#client.list(pods, { namespace: NAMESPACE })).items;
    const old = present.filter((pod) => !pod.metadata?.deletionTimestamp);
    const one = old[this.#random.int(Math.max(1, old.length))];
    if (one && (this.#random.int(2) === 0 || present.length >= MAX_PODS)) {
      const ref = { namespace: NAMESPACE, name: one.metadata?.name ?? '' };
      await this.#client.delete(pods, ref, { gracePeriodSeconds: 0 });
      return;
    }
    const pod: Pod = {
      metadata: { generateName: 'pod-', namespace: NAMESPACE, labels: { app: this.#random.of(['x', 'y']) } },
      spec: { containers: [{ name: 'lab', image: 'knit.dev/lab:1', ports: [{ containerPort: 8080 }] }] },
    };
    await this.#client.create(pods, pod);
  }
}

/** Agents need a moment after the last change. */
async function untilRight(config: ClusterConfig, mode: 'nftables' | 'iptables'): Promise<string[]> {
  let wrong: string[] = [];
  const right = async () => {
    wrong = await kernelsAgainstPlan(config, mode);
    return wrong.length === 0;
  };
  await waitFor(right, { what: 'kernel = plan', timeoutMs: SETTLE_MS, intervalMs: 500 }).catch(() => undefined);
  return wrong;
}

/** Where the kernel of a node differs from the plan, for Services and for policies. */
export async function kernelsAgainstPlan(config: ClusterConfig, mode: 'nftables' | 'iptables'): Promise<string[]> {
  const world = await readWorld(config);
  const atlas = new Atlas({ ...world, network: { ...world.network, proxyMode: mode } });
  const wrong: string[] = [];
  for (const { name } of config.nodes) {
    const enter = enterNodeTarget(config, name);
    const kernel = await readServices(enter, mode, config.addresses.ipv6 !== undefined);
    const lines = differences(kernel, servicesOfPlan(atlas.servicePlan(name)));
    wrong.push(...lines.map((line) => `${name}: ${line}`), ...(await policiesAgainstPlan(atlas, name, enter)));
  }
  return wrong;
}

async function readServices(
  enter: readonly string[],
  mode: 'nftables' | 'iptables',
  dual: boolean,
): Promise<KernelServices> {
  const [command = '', ...before] = enter;
  const inNode = (...words: string[]) => run(command, [...before, ...words]);
  const families = dual ? (['ipv4', 'ipv6'] as const) : (['ipv4'] as const);
  const found = await Promise.all(
    families.map(async (family) => {
      const six = family === 'ipv6' ? '6' : '';
      if (mode === 'nftables') {
        return servicesOfNftables(await inNode('nft', '-j', 'list', 'table', `ip${six}`, 'knit'), family);
      }
      const save = (table: string) => inNode(`ip${six}tables-save`, '-t', table);
      return servicesOfIptables(await save('nat'), await save('filter'), family);
    }),
  );
  return new Map(found.flatMap((services) => [...services]));
}

/** A process that would take the tables over finds nothing to change: what they list stays the same. */
async function policiesAgainstPlan(atlas: Atlas, node: string, enter: readonly string[]): Promise<string[]> {
  const plan = atlas.policies(node);
  const [command = '', ...before] = enter;
  const tables = { ip: 'ipv4', ip6: 'ipv6' } as const;
  const wrong: string[] = [];
  for (const family of ['ip', 'ip6'] as const) {
    const list = () => tryRun(command, [...before, 'nft', '-s', 'list', 'table', family, 'knit-policy']);
    const listed = await list();
    if (listed.code !== 0) {
      if (plan.policies.size > 0 && family === 'ip') wrong.push(`${node}: no table ${family} knit-policy`);
      continue;
    }
    const log = createLog('soak', () => undefined);
    const nft = openNft({ log, command: [...enter, 'nft'] });
    try {
      await new PolicyTables([tables[family]], nft, log).load(plan);
    } finally {
      await nft.stop();
    }
    const [has, should] = [linesOf(listed.stdout), linesOf((await list()).stdout)];
    const off = [...[...has].filter((line) => !should.has(line)), ...[...should].filter((line) => !has.has(line))];
    if (off.length > 0) wrong.push(`${node}: table ${family} knit-policy is not what policies say: ${off.join('; ')}`);
  }
  return wrong;
}

/** With the chain or set that each is of; elements of a set come in any order. */
function linesOf(listing: string): ReadonlySet<string> {
  let holder = '';
  return new Set(
    listing.split(/[\n,]/).map((line) => {
      const [, name] = /^\t(?:chain|set|map) (\S+) \{/.exec(line) ?? [];
      holder = name ?? holder;
      return `${holder}: ${line.replace('elements = {', '').trim()}`;
    }),
  );
}
