import { endpointSlices, nodes, pods, services } from '../api/resource.ts';
import type { EndpointSlice, Node, Pod, Service } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import { deleteFlows, type FlowFilter, listFlows } from '../kernel/conntrack.ts';
import { type Nft, openNft } from '../kernel/nft.ts';
import { Upkeep } from '../kernel/upkeep.ts';
import type { Backend } from './backend.ts';
import { masqueradeOf, openBackend, type ProxyMode, removeOtherModes } from './backends.ts';
import { type ListenAddress, ServiceHealth, serveHealth, serveMetrics } from './health.ts';
import { hostPortKey, planHostPorts } from './hostports.ts';
import { ProxyMetrics } from './metrics.ts';
import { type NodeFacts, type PlanEntry, withoutLocal } from './plan.ts';
import { planService, serviceKeyOf } from './services.ts';
import { flowsAgainstPlan, staleFlows } from './staleflows.ts';
import { UnsupportedEvents } from './unsupported.ts';

export interface ProxyOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly log: Log;
  readonly nodeName: string;
  /** Both families. */
  readonly nodeIPs: readonly string[];
  /** This node's pod CIDRs. Left out: those of its Node object, as soon as it has them. */
  readonly podCIDRs?: readonly string[];
  /** All pods of the cluster. */
  readonly clusterCIDRs: readonly string[];
  /** What another mode left on the node is removed. */
  readonly mode: ProxyMode;
  /** Where node ports answer. Default: on all of {@link nodeIPs}. */
  readonly nodePortIPs?: readonly string[];
  /** Whether host ports of the node's pods are served. Default: they are, and pods are watched for it. */
  readonly hostPorts?: boolean;
  /** For `/healthz` and `/livez`. */
  readonly healthz?: ListenAddress;
  /** For `/metrics` and `/proxyMode`. */
  readonly metrics?: ListenAddress;
  /** Shared with others in the same process; left out: one of its own. */
  readonly nft?: Nft;
}

/** Whoever flushes a table mostly has more to do. */
const AUDIT_DELAY_MS = 500;
/** Waiting longer than this with something unwritten is unhealthy. */
const HEALTHY_LAG_MS = 10_000;

/**
 * Keeps this node's kernel at what Services, EndpointSlices and host ports say. Resolves when the first plan is in the
 * kernel. The kernel's state stays when it stops: packets go on while an agent restarts.
 */
export async function startProxy(options: ProxyOptions): Promise<Running> {
  const nft = options.nft ?? openNft({ log: options.log });
  const backend = await openBackend(options.mode, { nft, log: options.log });
  const proxy = new ServiceProxy(options, nft, backend);
  try {
    await proxy.start();
    return proxy;
  } catch (error) {
    await proxy.stop();
    throw error;
  }
}

/** `{ service: 'namespace/name' }` of slices. */
const SERVICE_INDEX = 'service';

class ServiceProxy implements Running {
  readonly #options: ProxyOptions;
  readonly #log: Log;
  readonly #nft: Nft;
  readonly #backend: Backend;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #pods: Informer<Pod> | undefined;
  readonly #nodes: Informer<Node>;
  readonly #plan = new Map<string, PlanEntry>();
  readonly #dirty = new Set<string>();
  readonly #upkeep: Upkeep;
  readonly #metrics = new ProxyMetrics();
  readonly #serviceHealth: ServiceHealth;
  readonly #unsupported: UnsupportedEvents;
  readonly #ends: (() => Promise<void> | void)[] = [];
  readonly #stale: FlowFilter[] = [];
  #node: NodeFacts;
  #loaded = false;
  #forgetting: Promise<void> | undefined;
  #dirtySince: number | undefined;
  #lastUpdated = new Date(0);

  constructor(options: ProxyOptions, nft: Nft, backend: Backend) {
    const { informers, nodeName } = options;
    this.#options = options;
    this.#log = options.log;
    this.#nft = nft;
    this.#backend = backend;
    this.#services = informers.informer(services);
    this.#slices = informers.informer(endpointSlices, {
      indexes: { [SERVICE_INDEX]: (slice) => [serviceKeyOf(slice) ?? []].flat() },
    });
    const hostPorts = options.hostPorts ?? true;
    this.#pods = hostPorts ? informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` }) : undefined;
    this.#nodes = informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` });
    this.#serviceHealth = new ServiceHealth(options.log, () => this.#healthy());
    this.#unsupported = new UnsupportedEvents(options.client, nodeName);
    this.#upkeep = new Upkeep({
      log: options.log,
      what: 'Services',
      auditDelayMs: AUDIT_DELAY_MS,
      sync: () => this.#sync(),
      audit: () => this.#backend.audit(),
    });
    this.#node = this.#nodeFacts(undefined);
  }

  async start(): Promise<void> {
    const { informers, nodeName } = this.#options;
    this.#services.onChange((now, old) => {
      this.#metrics.changed('service');
      this.#touch(keyOf(now ?? old));
    });
    this.#slices.onChange((now, old) => {
      this.#metrics.changed('endpoint');
      if (now) this.#metrics.sliceChanged(now, old);
      for (const slice of [now, old]) if (slice) this.#touch(serviceKeyOf(slice));
    });
    this.#pods?.onChange((now, old) => {
      const pod = now ?? old;
      if (pod && hasHostPort(pod)) this.#touch(hostPortKey(pod));
    });
    this.#nodes.onChange(() => this.#wake());
    await this.#serve();
    await informers.start();
    await Promise.all([this.#services.synced, this.#slices.synced, this.#pods?.synced, this.#nodes.synced]);
    await this.#load();
    this.#ends.push(this.#nft.onForeignCommit(() => this.#upkeep.wantAudit()));
    this.#upkeep.begin();
    this.#log.info('Services are in the kernel', { node: nodeName, services: this.#plan.size });
  }

  async stop(): Promise<void> {
    if (this.#upkeep.stopped) return;
    await this.#upkeep.stop();
    await this.#forgetting;
    for (const end of this.#ends) await end();
    await this.#serviceHealth.stop();
    if (!this.#options.nft) await this.#nft.stop();
  }

  async #serve(): Promise<void> {
    const { healthz, metrics, mode } = this.#options;
    const serve = async (starting: Promise<Running>) => {
      const server = await starting;
      this.#ends.push(() => server.stop());
    };
    if (healthz) {
      const health = {
        healthy: () => this.#healthy(),
        nodeEligible: () => this.#ownNode()?.metadata?.deletionTimestamp === undefined,
        lastUpdated: () => this.#lastUpdated,
        answered: (path: 'healthz' | 'livez', code: number) => this.#metrics.answered(path, code),
      };
      await serve(serveHealth(healthz, health));
    }
    const text = () => this.#metrics.text(withoutLocal(this.#plan.values()));
    if (metrics) await serve(serveMetrics(metrics, mode, text));
  }

  async #load(): Promise<void> {
    this.#node = this.#nodeFacts(this.#ownNode());
    const sync = this.#metrics.begin();
    this.#dirty.clear();
    const keys = this.#keysByAge();
    await this.#backend.load({ values: () => this.#planAll(keys) }, this.#node);
    await this.#removeOtherModes();
    this.#metrics.done(sync, 'full');
    this.#loaded = true;
    this.#lastUpdated = new Date();
    for (const [key, entry] of this.#plan) this.#noted(key, entry);
    this.#forget(await this.#flowsFromBefore());
  }

  #keysByAge(): string[] {
    const owners = [
      ...this.#services.list().map((service) => ({ key: keyOf(service), object: service })),
      ...(this.#pods?.list() ?? []).filter(hasHostPort).map((pod) => ({ key: hostPortKey(pod), object: pod })),
    ];
    const ageOf = ({ object }: (typeof owners)[number]) => object.metadata?.creationTimestamp ?? '';
    return owners.sort((a, b) => compare(ageOf(a), ageOf(b)) || compare(a.key, b.key)).map(({ key }) => key);
  }

  /** Plans each key when it is its turn: the first ones are on their way into the kernel by then. */
  *#planAll(keys: readonly string[]): Generator<PlanEntry> {
    for (const key of keys) {
      const entry = this.#plan.get(key) ?? this.#planKey(key);
      if (!entry) continue;
      this.#plan.set(key, entry);
      yield entry;
    }
  }

  /** What follows from an entry that is in the kernel. */
  #noted(key: string, entry: PlanEntry | undefined): void {
    this.#serviceHealth.update(key, entry);
    this.#unsupported.look(entry, () => this.#services.get(key));
  }

  async #removeOtherModes(): Promise<void> {
    try {
      await removeOtherModes(this.#options.mode, { nft: this.#nft, log: this.#log });
    } catch (error) {
      this.#log.warn('cannot remove what another proxy mode left on this node', { error });
    }
  }

  /** A change of one object plans its own key anew. */
  #planKey(key: string): PlanEntry | undefined {
    if (key.startsWith('pod/')) {
      const pod = this.#pods?.get(key.slice('pod/'.length));
      return pod && planHostPorts(pod, this.#node);
    }
    const service = this.#services.get(key);
    return service && planService(service, this.#slices.byIndex(SERVICE_INDEX, key), this.#node);
  }

  #touch(key: string | undefined): void {
    if (key === undefined) return;
    this.#dirty.add(key);
    this.#wake();
  }

  #wake(): void {
    if (this.#loaded) this.#dirtySince ??= Date.now();
    this.#upkeep.wake();
  }

  async #sync(): Promise<void> {
    const sync = this.#metrics.begin();
    const some = this.#dirty.size > 0;
    try {
      await this.#write();
    } catch (error) {
      this.#metrics.failed(sync);
      throw error;
    }
    if (some) this.#metrics.done(sync, 'partial');
    this.#dirtySince = this.#dirty.size > 0 ? this.#dirtySince : undefined;
    this.#lastUpdated = new Date();
  }

  async #write(): Promise<void> {
    await this.#followNode();
    const keys = [...this.#dirty];
    this.#dirty.clear();
    const changes = new Map<string, PlanEntry | undefined>();
    const stale: FlowFilter[] = [];
    for (const key of keys) {
      const before = this.#plan.get(key);
      const after = this.#planKey(key);
      if (!before && !after) continue;
      changes.set(key, after);
      stale.push(...staleFlows(before, after, this.#node));
      if (after) this.#plan.set(key, after);
      else this.#plan.delete(key);
    }
    if (changes.size > 0) await this.#backend.update(changes);
    for (const [key, entry] of changes) this.#noted(key, entry);
    this.#forget(stale);
  }

  async #followNode(): Promise<void> {
    const facts = this.#nodeFacts(this.#ownNode());
    if (JSON.stringify(facts) === JSON.stringify(this.#node)) return;
    this.#node = facts;
    await this.#backend.setNode(facts);
    for (const key of this.#plan.keys()) this.#dirty.add(key); // the zone chooses endpoints
  }

  /** Deletes stale flows beside the other work: rules must not wait for it, nor fail with it. */
  #forget(flows: readonly FlowFilter[]): void {
    this.#stale.push(...flows);
    if (this.#stale.length > 0) this.#forgetting ??= this.#forgetAll();
  }

  async #forgetAll(): Promise<void> {
    while (this.#stale.length > 0) {
      const batch = this.#stale.splice(0);
      await deleteFlows(batch).catch((error: unknown) => {
        this.#log.warn('cannot delete stale UDP flows', { flows: batch.length, error });
      });
    }
    this.#forgetting = undefined;
  }

  async #flowsFromBefore(): Promise<readonly FlowFilter[]> {
    const families = new Set(this.#node.addresses.map(familyOf));
    try {
      const tracked = await Promise.all([...families].map((family) => listFlows('udp', family)));
      return flowsAgainstPlan(tracked.flat(), this.#plan, this.#node);
    } catch (error) {
      this.#log.warn('cannot read the UDP flows that were there before', { error });
      return [];
    }
  }

  #healthy(): boolean {
    return this.#loaded && (this.#dirtySince === undefined || Date.now() - this.#dirtySince < HEALTHY_LAG_MS);
  }

  #ownNode(): Node | undefined {
    return this.#nodes.get(this.#options.nodeName);
  }

  #nodeFacts(node: Node | undefined): NodeFacts {
    const { nodeName, nodeIPs, nodePortIPs, podCIDRs, clusterCIDRs, mode } = this.#options;
    const zone = node?.metadata?.labels?.['topology.kubernetes.io/zone'];
    const known = node?.spec?.podCIDRs ?? (node?.spec?.podCIDR ? [node.spec.podCIDR] : []);
    return {
      name: nodeName,
      addresses: nodeIPs,
      ...(nodePortIPs ? { nodePortAddresses: nodePortIPs } : {}),
      podCIDRs: podCIDRs?.length ? podCIDRs : known,
      clusterCIDRs,
      masquerade: masqueradeOf[mode],
      ...(zone === undefined ? {} : { zone }),
    };
  }
}

function hasHostPort(pod: Pod): boolean {
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].some((container) =>
    container.ports?.some((port) => port.hostPort),
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function keyOf(object: Service | undefined): string {
  if (!object?.metadata?.name) throw new KnitError('NO_NAME', 'an object from the API server has no name');
  return `${object.metadata.namespace}/${object.metadata.name}`;
}
