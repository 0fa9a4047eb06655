import type { EndpointSlice, NetworkPolicy, Pod, Service } from '../../api/types.ts';
import { createLog } from '../../base/log.ts';
import { deleteFlows, listAllFlows } from '../../kernel/conntrack.ts';
import { openNft } from '../../kernel/nft.ts';
import { run } from '../../kernel/run.ts';
import { nftablesBackend } from '../../proxy/nftables/backend.ts';
import { planServices } from '../../proxy/services.ts';
import { CLIENT, type Lab, type Peer, startLab } from '../../proxy/testing/lab.ts';
import { node1 as proxyNode } from '../../proxy/testing/objects.ts';
import { flowsToCut } from '../cut.ts';
import { PolicyTables } from '../nftables/tables.ts';
import type { PolicyPlan } from '../plan.ts';
import { PolicyPlanner } from '../planner.ts';
import { namespace, node1, pod } from './objects.ts';

/** IPv6 addresses of the first node's pods, which this adds to the lab. */
export const SIX = { a: 'fd00:1::2', b: 'fd00:1::3' };
export const ADDRESS = { a: '10.244.1.2', b: '10.244.1.3', c: '10.244.2.2', client: CLIENT };
export const PORTS = [8080, 8081, 9000] as const;

const log = createLog('test', () => undefined);

const labPods: readonly Pod[] = [
  pod('shop/a', [ADDRESS.a, SIX.a], { ports: [{ name: 'web', containerPort: 8080 }] }),
  pod('shop/b', [ADDRESS.b, SIX.b], { ports: [{ name: 'web', containerPort: 8081 }] }),
  pod('ops/c', ADDRESS.c, { nodeName: 'node2', ports: [{ name: 'web', containerPort: 9000 }] }),
];

/** The proxy's lab with NetworkPolicies on its first node; servers on {@link PORTS} everywhere, TCP and UDP. */
export class PolicyLab {
  readonly lab: Lab;
  readonly planner: PolicyPlanner;
  readonly #tables: PolicyTables;
  readonly #stopNft: () => Promise<void>;
  #policies: readonly string[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
    const nft = openNft({ log, command: [...lab.inNode, 'nft'] });
    this.#stopNft = () => nft.stop();
    this.#tables = new PolicyTables(['ipv4', 'ipv6'], nft, log);
    this.planner = new PolicyPlanner({
      ...node1,
      addresses: [...node1.addresses, 'fd00:1::1'],
      podCIDRs: [...node1.podCIDRs, 'fd00:1::/64'],
    });
  }

  static async start(): Promise<PolicyLab> {
    const lab = await startLab();
    try {
      await run('sh', ['-e'], { input: sixScript((lab.inNode.at(-1) ?? '').replace(/node1$/, '')) });
      const peers = [lab.a, lab.b, lab.c, lab.client, lab.node];
      const ports = (peer: Peer) => PORTS.filter((port) => port !== 8080 || peer === lab.client || peer === lab.node);
      await Promise.all(
        peers.flatMap((peer) => ports(peer).flatMap((port) => [peer.serve('tcp', port), peer.serve('udp', port)])),
      );
      const policyLab = new PolicyLab(lab);
      policyLab.planner.putNamespace('shop', namespace('shop', { team: 'shop' }));
      policyLab.planner.putNamespace('ops', namespace('ops', { team: 'ops' }));
      for (const each of labPods) policyLab.putPod(each);
      policyLab.planner.takeChanges();
      await policyLab.#tables.load(policyLab.plan);
      return policyLab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  get plan(): PolicyPlan {
    return this.planner.plan;
  }

  putPod(object: Pod): void {
    this.planner.putPod(`${object.metadata?.namespace}/${object.metadata?.name}`, object);
  }

  removePod(key: string): void {
    this.planner.putPod(key, undefined);
  }

  /** These policies and no others, in plan and kernel; returns whether that forbids anything. */
  async set(...policies: readonly NetworkPolicy[]): Promise<boolean> {
    const keyOf = (policy: NetworkPolicy) => `${policy.metadata?.namespace}/${policy.metadata?.name}`;
    const keys = policies.map(keyOf);
    for (const key of this.#policies) if (!keys.includes(key)) this.planner.putPolicy(key, undefined);
    for (const policy of policies) this.planner.putPolicy(keyOf(policy), policy);
    this.#policies = keys;
    return await this.commit();
  }

  commit(): Promise<boolean> {
    return this.#tables.update(this.plan, this.planner.takeChanges());
  }

  audit(): Promise<string | undefined> {
    return this.#tables.audit();
  }

  /** Ends what the plan forbids; returns how many connections that were. */
  async cut(): Promise<number> {
    const command = [...this.lab.inNode, 'conntrack'];
    const flows = flowsToCut(await listAllFlows('ipv4', { command }), this.plan);
    await deleteFlows(flows, { command });
    return flows.length;
  }

  /** Services of the first node, beside its policies. */
  async serve(services: readonly Service[], slices: readonly EndpointSlice[]): Promise<void> {
    const nft = openNft({ log, command: [...this.lab.inNode, 'nft'] });
    await nftablesBackend({ nft, log }).load(planServices(services, slices, proxyNode), proxyNode);
    await nft.stop();
  }

  /** A second process with the same plan, as after a restart of the agent. */
  async restart(): Promise<void> {
    const nft = openNft({ log, command: [...this.lab.inNode, 'nft'] });
    await new PolicyTables(['ipv4', 'ipv6'], nft, log).load(this.plan);
    await nft.stop();
  }

  /** A command in the first node's network. */
  inNode(...command: readonly string[]): Promise<string> {
    const [name = '', ...args] = [...this.lab.inNode, ...command];
    return run(name, args);
  }

  async stop(): Promise<void> {
    await this.#stopNft();
    await this.lab.stop();
  }
}

function sixScript(prefix: string): string {
  const node = `${prefix}node1`;
  const link = (name: 'a' | 'b') => `
ip -n ${prefix}${name} addr add ${SIX[name]}/128 dev eth0 nodad
ip -n ${prefix}${name} -6 route add fd00:1::1 dev eth0
ip -n ${prefix}${name} -6 route add default via fd00:1::1 dev eth0
ip -n ${node} addr add fd00:1::1/128 dev pod-${name} nodad
ip -n ${node} -6 route add ${SIX[name]} dev pod-${name}
`;
  return `ip netns exec ${node} sysctl -qw net.ipv6.conf.all.forwarding=1${link('a')}${link('b')}`;
}
