import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject, Status } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import { waitFor } from '../base/wait.ts';
import { ApiError, type Client, isNotFound } from '../client/client.ts';
import { createClient } from '../client/index.ts';
import { type RunResult, tryRun } from '../kernel/run.ts';
import { advice, type Balance, expectedBalance, policyOf } from '../trace/balance.ts';
import { type ExplainQuestion, explain } from '../trace/explain/explain.ts';
import { clientSource, Facts } from '../trace/explain/facts.ts';
import type { Explanation } from '../trace/explain/model.ts';
import type { Report } from '../trace/story.ts';
import type { Question } from '../trace/target.ts';
import { trace } from '../trace/trace.ts';
import { ownBalance, readBalanceInput } from './balance.ts';
import type { ClusterConfig } from './config.ts';
import { down } from './down.ts';
import { enterTarget } from './enter.ts';
import { loadImages } from './images.ts';
import { kernelFacts } from './kernel-facts.ts';
import { kubeconfigOf } from './kubeconfig.ts';
import { proxySource } from './overlay.ts';
import { distFolder } from './processes.ts';
import { silent } from './progress.ts';
import { adminTransport } from './ready.ts';
import { checkClusterSpec } from './spec.ts';
import { reachOf, readWorld } from './tracing.ts';
import { up } from './up.ts';

export interface CreateOptions {
  /** Default: one that no other cluster has. */
  readonly name?: string;
  /** How many nodes, or a list of them; default 3. This and all that follows is as in docs/cluster-file.md. */
  readonly nodes?: number | readonly { readonly name: string; readonly labels?: Readonly<Record<string, string>> }[];
  readonly hollowNodes?: number;
  readonly gatewayAPI?: boolean;
  readonly network?: Readonly<Record<string, string>>;
  readonly proxy?: { readonly mode: 'nftables' | 'iptables' | 'none' };
  readonly clients?: readonly string[];
  /** Archives of images that every node gets. */
  readonly images?: readonly string[];
  readonly signal?: AbortSignal;
}

/** An object by its kind and name: `{ apiVersion: 'v1', kind: 'Pod', name: 'web', namespace: 'shop' }`. */
export interface Ref {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Default `default`, for kinds that have one. */
  readonly namespace?: string;
}

/** A cluster that a program made. Every method throws KnitError, or ApiError for what the API server refuses. */
export interface Cluster extends AsyncDisposable {
  readonly name: string;
  readonly config: ClusterConfig;
  /** For kubectl, Helm and any other client: a kubeconfig as text. */
  readonly kubeconfig: string;
  /** The API server, with an administrator's rights. */
  readonly client: Client;
  /** Server-side apply of objects, or of a YAML text of several documents. Resolves to them as they stand. */
  apply(...objects: readonly (object | string)[]): Promise<KubeObject[]>;
  get<T extends KubeObject>(ref: Ref): Promise<T>;
  /**
   * Waits until a condition of an object is True, or until `test` holds; by default for a minute. Throws `TIMEOUT` with
   * how it was last.
   */
  wait<T extends KubeObject>(ref: Ref, until: string | ((object: T) => boolean), timeoutMs?: number): Promise<T>;
  /** Runs a command of this machine in the network of `node/NAME`, `client/NAME` or `pod/[NAMESPACE/]NAME`. */
  exec(target: string, command: readonly string[]): Promise<RunResult>;
  /** Sends a packet and tells its way, from kernel evidence. */
  trace(
    from: string,
    to: string,
    options?: Omit<Question, 'from' | 'to'> & { readonly count?: number },
  ): Promise<Report>;
  /** Says why `from` cannot reach `to`, without a packet. */
  explain(from: string, to: string, options?: Pick<ExplainQuestion, 'port' | 'protocol'>): Promise<Explanation>;
  /** How outside connections to a Service spread over its pods, under its policy and under the other one. */
  balance(namespace: string, service: string): Promise<{ now: Balance; other: Balance; advice: string }>;
  loadImage(archive: string): Promise<string[]>;
  /** Removes the cluster and all that it has on this machine. */
  delete(): Promise<void>;
}

/**
 * Makes a cluster and resolves when its nodes are ready and DNS answers. Needs root. A program that ends without
 * deleting its clusters deletes them on its way out; one that is killed leaves them to `knit down --name NAME`.
 */
export async function createCluster(options: CreateOptions = {}): Promise<Cluster> {
  const { name = `test-${randomBytes(4).toString('hex')}`, images = [], signal, ...rest } = options;
  const spec = checkClusterSpec({ apiVersion: 'knit.dev/v1alpha1', kind: 'Cluster', ...rest }, 'createCluster');
  const { config } = await up({ name, spec, progress: silent, kubeconfig: false, signal });
  const cluster = keep(name, config);
  for (const image of images) await cluster.loadImage(image);
  return cluster;
}

/** A cluster that runs already, for the length of a program; it stays when `close` is called. */
export function openCluster(config: ClusterConfig): Cluster & { close(): Promise<void> } {
  return new RunningCluster(config, () => undefined);
}

/** Deletes it when this program ends without having done so. */
function keep(name: string, config: ClusterConfig): RunningCluster {
  const onExit = () => spawnSync(join(distFolder, '../bin/knit'), ['down', '--name', name]);
  process.once('exit', onExit);
  return new RunningCluster(config, () => process.off('exit', onExit));
}

class RunningCluster implements Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  readonly kubeconfig: string;
  readonly client: Client;
  readonly #transport;
  readonly #deleted: () => void;
  readonly #kinds = new Map<string, Promise<readonly Resource[]>>();

  constructor(config: ClusterConfig, deleted: () => void) {
    this.name = config.name;
    this.config = config;
    this.kubeconfig = kubeconfigOf(config);
    this.#transport = adminTransport(config);
    this.client = createClient(this.#transport);
    this.#deleted = deleted;
  }

  async apply(...objects: readonly (object | string)[]): Promise<KubeObject[]> {
    const applied: KubeObject[] = [];
    // In their order: a namespace comes before what is in it.
    for (const object of objects.flatMap(documentsOf)) applied.push(await this.#apply(object));
    return applied;
  }

  async #apply(object: KubeObject): Promise<KubeObject> {
    const { apiVersion: version = '', kind = '', metadata } = object;
    const resource = await this.#resource({ apiVersion: version, kind });
    const path = pathOf(resource, metadata?.name ?? '', metadata?.namespace);
    const response = await this.#transport.request({
      method: 'PATCH',
      path: `${path}?fieldManager=knit-library&force=true`,
      headers: { accept: 'application/json', 'content-type': 'application/apply-patch+yaml' },
      body: JSON.stringify(object),
    });
    const answer = JSON.parse(await response.text());
    if (response.status >= 300) throw new ApiError(answer as Status);
    if (kind === 'Namespace') await this.#untilHasAccount(metadata?.name ?? '');
    return answer;
  }

  /** A namespace takes pods when the controller has given it a service account. */
  async #untilHasAccount(namespace: string): Promise<void> {
    await this.wait({ apiVersion: 'v1', kind: 'ServiceAccount', name: 'default', namespace }, () => true);
  }

  async get<T extends KubeObject>({ name, namespace = 'default', ...kind }: Ref): Promise<T> {
    const resource = await this.#resource(kind);
    return (await this.client.get(resource, resource.namespaced ? { name, namespace } : { name })) as T;
  }

  async wait<T extends KubeObject>(ref: Ref, until: string | ((object: T) => boolean), timeoutMs = 60_000): Promise<T> {
    const holds = typeof until === 'string' ? (object: T) => hasCondition(object, until) : until;
    const what = `${ref.kind} ${ref.name}${typeof until === 'string' ? ` to be ${until}` : ''}`;
    const look = async (): Promise<T | false> => {
      const object = await this.get<T>(ref).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (object && holds(object)) return object;
      throw new Error(object ? JSON.stringify((object as { status?: unknown }).status) : 'it is not there');
    };
    return (await waitFor(look, { what, timeoutMs, intervalMs: 50 })) as T;
  }

  async exec(target: string, command: readonly string[]): Promise<RunResult> {
    const [first = '', ...rest] = [...(await enterTarget(this.config, target)), ...command];
    return await tryRun(first, rest);
  }

  async trace(from: string, to: string, { count, ...question }: { count?: number } & Partial<Question> = {}) {
    const world = await readWorld(this.config);
    return await trace(world, reachOf(this.config, world), { ...question, from, to }, { count: count ?? 1 });
  }

  async explain(from: string, to: string, options: Pick<ExplainQuestion, 'port' | 'protocol'> = {}) {
    const { clients, nodes, spec } = this.config;
    const facts = new Facts(clientSource(this.client), spec.dns.domain, proxySource(this.config));
    const question = {
      ...options,
      from,
      to,
      clients: Object.fromEntries(clients.map((each) => [each.name, each.address])),
      outsideAddresses: Object.fromEntries(nodes.map((each) => [each.name, each.outsideAddress])),
    };
    return await explain(facts, question, kernelFacts(this.config));
  }

  async balance(namespace: string, name: string) {
    const input = { ...(await readBalanceInput(this.client, { namespace, name })), ...ownBalance(this.config) };
    const policy = policyOf(input.service);
    const now = expectedBalance(input, policy);
    const other = expectedBalance(input, policy === 'Local' ? 'Cluster' : 'Local');
    return { now, other, advice: advice(now, other) };
  }

  async loadImage(archive: string): Promise<string[]> {
    return await loadImages(
      this.config,
      archive,
      this.config.nodes.map(({ name }) => name),
    );
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async delete(): Promise<void> {
    await this.close();
    await down({ name: this.name, keep: false, progress: silent });
    this.#deleted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.delete();
  }

  /** As the API server's discovery has it; asked again for what is new, as kinds of a CRD are. */
  async #resource({ apiVersion: version, kind }: Pick<Ref, 'apiVersion' | 'kind'>): Promise<Resource> {
    const find = async () => (await this.#kindsOf(version)).find((each) => each.kind === kind);
    const known = await find();
    if (known) return known;
    this.#kinds.delete(version);
    const found = await find();
    if (found) return found;
    throw new KnitError('KIND_UNKNOWN', `the cluster has no kind ${kind} of ${version}`, 'see kubectl api-resources');
  }

  #kindsOf(version: string): Promise<readonly Resource[]> {
    const known = this.#kinds.get(version);
    if (known) return known;
    const [group, short] = version.includes('/') ? version.split('/') : ['', version];
    const asked = this.client
      .raw('GET', group === '' ? `/api/${short}` : `/apis/${version}`)
      .then((text) => {
        const { resources }: { resources: { name: string; kind: string; namespaced: boolean }[] } = JSON.parse(text);
        return resources
          .filter(({ name }) => !name.includes('/'))
          .map(({ name, kind, namespaced }) => ({
            group: group ?? '',
            version: short ?? '',
            kind,
            plural: name,
            namespaced,
          }));
      })
      .catch((error: unknown) => {
        if (isNotFound(error)) return [];
        throw error;
      });
    this.#kinds.set(version, asked);
    return asked;
  }
}

function documentsOf(object: object | string): KubeObject[] {
  if (typeof object !== 'string') return [object as KubeObject];
  return parseAllDocuments(object).flatMap((document) => {
    const [wrong] = document.errors;
    if (wrong) throw new KnitError('MANIFEST_INVALID', `no YAML: ${wrong.message}`);
    const value: KubeObject | null = document.toJS();
    return value === null ? [] : [value];
  });
}

function pathOf(resource: Resource, name: string, namespace = 'default'): string {
  const root = resource.group === '' ? '/api' : '/apis';
  const where = resource.namespaced ? `/namespaces/${namespace}` : '';
  return `${root}/${apiVersion(resource)}${where}/${resource.plural}/${name}`;
}

function hasCondition(object: KubeObject, type: string): boolean {
  const { status } = object as { status?: { conditions?: readonly { type: string; status: string }[] } };
  return status?.conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
}
