import { namespaces, networkPolicies, nodes, pods } from '../api/resource.ts';
import type { Namespace, NetworkPolicy, Node, Pod } from '../api/types.ts';
import { addressAt, familyOf, parseCIDR } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import { createInformers } from '../client/informers.ts';
import { type Nft, openNft } from '../kernel/nft.ts';
import { Upkeep } from '../kernel/upkeep.ts';
import { ConnectionCutter } from './cutter.ts';
import { PolicyTables } from './nftables/tables.ts';
import type { Family, PolicyNode } from './plan.ts';
import { PolicyPlanner } from './planner.ts';
import { partOfPod } from './pod-facts.ts';

export interface PolicyOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  readonly nodeName: string;
  /** Both families. */
  readonly nodeIPs: readonly string[];
  /** This node's pod CIDRs. Left out: those of its Node object, as soon as it has them. */
  readonly podCIDRs?: readonly string[];
  /** Shared with others in the same process; left out: one of its own. */
  readonly nft?: Nft;
}

export interface Policy extends Running {
  /**
   * For the kubelet, between a pod's sandbox and its containers: resolves when the kernel holds what policies say of
   * these addresses, at once where there are no policies. Throws `POLICY_NOT_READY` after 10 s.
   */
  podStarts(pod: Pod, podIPs: readonly string[]): Promise<void>;
  /** For the kubelet, when nothing of a pod is left: it may have been deleted before it started. */
  podEnds(pod: Pod): void;
}

/** Whoever flushes a table mostly has more to do; until then the node's pods are open. */
const AUDIT_DELAY_MS = 200;
const POD_START_MS = 10_000;

/**
 * Keeps this node's kernel at what NetworkPolicies say. Resolves when the first plan is in the kernel. While there is
 * no policy it watches policies and nothing else, and has no table. The kernel's state stays when it stops.
 */
export async function startPolicy(options: PolicyOptions): Promise<Policy> {
  const policy = new NodePolicy(options);
  await policy.start();
  return policy;
}

/** What is there only while there are policies. */
interface Active {
  readonly informers: InformerFactory;
  readonly pods: Informer<Pod>;
  readonly namespaces: Informer<Namespace>;
  readonly planner: PolicyPlanner;
  readonly families: readonly Family[];
  readonly tables: PolicyTables;
  readonly cutter: ConnectionCutter;
  readonly unwatch: () => void;
}

/** Addresses that the kubelet told, which the API server may not know yet. */
interface Told {
  readonly pod: Pod;
  readonly podIPs: readonly string[];
}

class NodePolicy implements Policy {
  readonly #options: PolicyOptions;
  readonly #log: Log;
  readonly #nft: Nft;
  readonly #policies: Informer<NetworkPolicy>;
  readonly #nodes: Informer<Node>;
  readonly #told = new Map<string, Told>();
  readonly #dirty = { policies: new Set<string>(), pods: new Set<string>(), namespaces: new Set<string>() };
  #active: Active | undefined;
  #starting: InformerFactory | undefined;
  #node: PolicyNode;
  readonly #upkeep: Upkeep;
  #loaded = false;
  #waiting: (() => void)[] = [];

  constructor(options: PolicyOptions) {
    const { informers, nodeName } = options;
    this.#options = options;
    this.#log = options.log;
    this.#nft = options.nft ?? openNft({ log: options.log });
    this.#policies = informers.informer(networkPolicies);
    this.#nodes = informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` });
    this.#node = this.#nodeFacts();
    this.#upkeep = new Upkeep({
      log: options.log,
      what: 'NetworkPolicies',
      auditDelayMs: AUDIT_DELAY_MS,
      sync: () => this.#sync(),
      audit: async () => await this.#active?.tables.audit(),
    });
    const local = informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
    local.onChange((now, old) => {
      const key = keyOf(now ?? old);
      const told = this.#told.get(key);
      if (told && told.pod.metadata?.uid !== now?.metadata?.uid && told.pod.metadata?.uid === old?.metadata?.uid) {
        this.#told.delete(key);
        this.#touch('pods', key);
      }
    });
  }

  async start(): Promise<void> {
    this.#policies.onChange((now, old) => this.#touch('policies', keyOf(now ?? old)));
    this.#nodes.onChange(() => this.#upkeep.wake());
    await this.#options.informers.start();
    await Promise.all([this.#policies.synced, this.#nodes.synced]);
    this.#loaded = true;
    // What an earlier process left, where the last policy went while nobody looked.
    if (this.#policies.list().length === 0) await PolicyTables.remove(this.#nft);
    this.#upkeep.begin();
    await this.#settled().catch((error: unknown) => this.#log.error('the node starts without policies', { error }));
  }

  async podStarts(pod: Pod, podIPs: readonly string[]): Promise<void> {
    this.#told.set(keyOf(pod), { pod, podIPs });
    if (this.#loaded && !this.#active && this.#upkeep.idle && this.#policies.list().length === 0) return;
    this.#touch('pods', keyOf(pod));
    await this.#settled();
  }

  podEnds(pod: Pod): void {
    const key = keyOf(pod);
    if (this.#told.get(key)?.pod.metadata?.uid !== pod.metadata?.uid) return;
    this.#told.delete(key);
    this.#touch('pods', key);
  }

  async stop(): Promise<void> {
    if (this.#upkeep.stopped) return;
    const ended = this.#upkeep.stop();
    await this.#starting?.stop();
    await ended;
    this.#active?.unwatch();
    await this.#active?.cutter.stop();
    await this.#active?.informers.stop();
    if (!this.#options.nft) await this.#nft.stop();
  }

  /** Resolves after a sync that begins from now on has succeeded. */
  #settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new KnitError('POLICY_NOT_READY', 'NetworkPolicies could not be written into the kernel in time'));
      }, POD_START_MS).unref();
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#upkeep.wake();
    });
  }

  #touch(kind: 'policies' | 'pods' | 'namespaces', key: string): void {
    this.#dirty[kind].add(key);
    this.#upkeep.wake();
  }

  async #sync(): Promise<void> {
    const waiting = this.#waiting.splice(0);
    try {
      const wanted = this.#policies.list().length > 0;
      if (wanted && !this.#active) this.#active = await this.#activate();
      else if (!wanted && this.#active) await this.#deactivate(this.#active);
      else if (this.#active) await this.#update(this.#active);
      else this.#takeDirty();
    } catch (error) {
      this.#waiting.unshift(...waiting);
      throw error;
    }
    for (const resolve of waiting) resolve();
  }

  /** The first policy came: from now on the cluster's pods and namespaces are watched. */
  async #activate(): Promise<Active> {
    const informers = createInformers(this.#options.client, this.#log);
    this.#starting = informers;
    const allPods = informers.informer(pods, { transform: partOfPod });
    const allNamespaces = informers.informer(namespaces, { transform: ({ metadata }) => ({ metadata }) });
    allPods.onChange((now, old) => this.#touch('pods', keyOf(now ?? old)));
    allNamespaces.onChange((now, old) => this.#touch('namespaces', (now ?? old)?.metadata?.name ?? ''));
    try {
      await informers.start();
      this.#node = this.#nodeFacts();
      const planner = new PolicyPlanner(this.#node);
      const families = familiesOf(this.#node);
      const tables = new PolicyTables(families, this.#nft, this.#log);
      const cutter = new ConnectionCutter(families, () => planner.plan, this.#log);
      const unwatch = () => undefined;
      const active = {
        informers,
        pods: allPods,
        namespaces: allNamespaces,
        planner,
        families,
        tables,
        cutter,
        unwatch,
      };
      this.#takeDirty();
      for (const namespace of allNamespaces.list()) this.#putNamespace(active, namespace.metadata?.name ?? '');
      for (const key of new Set([...allPods.list().map(keyOf), ...this.#told.keys()])) this.#putPod(active, key);
      for (const policy of this.#policies.list()) this.#putPolicy(active, keyOf(policy));
      planner.takeChanges();
      await tables.load(planner.plan);
      cutter.want();
      return { ...active, unwatch: this.#nft.onForeignCommit(() => this.#upkeep.wantAudit()) };
    } catch (error) {
      await informers.stop();
      throw error;
    } finally {
      this.#starting = undefined;
    }
  }

  /** The last policy went. */
  async #deactivate(active: Active): Promise<void> {
    await PolicyTables.remove(this.#nft);
    this.#active = undefined;
    active.unwatch();
    await active.cutter.stop();
    await active.informers.stop();
    this.#takeDirty();
  }

  async #update(active: Active): Promise<void> {
    const { planner, tables, cutter } = active;
    this.#node = this.#nodeFacts();
    if (familiesOf(this.#node).join() !== active.families.join()) {
      await this.#deactivate(active);
      this.#active = await this.#activate();
      return;
    }
    planner.setNode(this.#node);
    const dirty = this.#takeDirty();
    for (const name of dirty.namespaces) this.#putNamespace(active, name);
    for (const key of dirty.pods) this.#putPod(active, key);
    for (const key of dirty.policies) this.#putPolicy(active, key);
    if (await tables.update(planner.plan, planner.takeChanges())) cutter.want();
  }

  #putNamespace({ planner, namespaces: all }: Active, name: string): void {
    planner.putNamespace(name, all.get(name));
  }

  /** What the kubelet told of a pod's addresses is newer than what the API server has. */
  #putPod({ planner, pods: all }: Active, key: string): void {
    const known = all.get(key);
    const told = this.#told.get(key);
    if (!told || (known && known.metadata?.uid !== told.pod.metadata?.uid)) {
      planner.putPod(key, known);
      return;
    }
    const pod = known ?? told.pod;
    planner.putPod(key, { ...pod, status: { ...pod.status, podIPs: told.podIPs.map((ip) => ({ ip })) } });
  }

  #putPolicy({ planner }: Active, key: string): void {
    try {
      planner.putPolicy(key, this.#policies.get(key));
    } catch (error) {
      planner.putPolicy(key, undefined);
      this.#log.error('a NetworkPolicy cannot be read', { policy: key, error });
    }
  }

  #takeDirty() {
    const { policies, pods, namespaces } = this.#dirty;
    const taken = { policies: [...policies], pods: [...pods], namespaces: [...namespaces] };
    for (const keys of [policies, pods, namespaces]) keys.clear();
    return taken;
  }

  #nodeFacts(): PolicyNode {
    const { nodeName, nodeIPs, podCIDRs } = this.#options;
    const spec = this.#nodes.get(nodeName)?.spec;
    const known = podCIDRs?.length ? podCIDRs : (spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []));
    return { name: nodeName, addresses: [...nodeIPs, ...known.map(gatewayOf)], podCIDRs: known };
  }
}

function familiesOf(node: PolicyNode): readonly Family[] {
  return [...new Set<Family>(['ipv4', ...[...node.addresses, ...node.podCIDRs].map(familyOf)])];
}

/** The first address of a pod CIDR: the node's end of its pods' links, from which the node speaks to them. */
function gatewayOf(podCIDR: string): string {
  return addressAt(parseCIDR(podCIDR), 1);
}

function keyOf(object: Pod | NetworkPolicy | undefined): string {
  return `${object?.metadata?.namespace}/${object?.metadata?.name}`;
}
