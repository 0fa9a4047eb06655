import {
  endpointSlices,
  ingressClasses,
  ingresses,
  namespaces,
  networkPolicies,
  nodes,
  pods,
  type Resource,
  secrets,
  services,
} from '../../api/resource.ts';
import { compileLabels } from '../../api/selectors.ts';
import type {
  EndpointSlice,
  Ingress,
  IngressClass,
  KubeObject,
  Labels,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  Secret,
  Service,
} from '../../api/types.ts';
import { ApiError, type Client, isNotFound, type SelectorOptions } from '../../client/client.ts';

/** Where objects come from: an API server, asked for what a question needs, or all objects, read at once. */
export interface Source {
  /** `undefined` where there is none. */
  get<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource<T>, options?: SelectorOptions): Promise<readonly T[]>;
  /** What the API server answers at a path, as text. */
  raw(path: string): Promise<string>;
}

/** Asks an API server, the same thing only once. */
export function clientSource(client: Client): Source {
  const asked = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const known = asked.get(key) as Promise<T> | undefined;
    const answer = known ?? ask();
    asked.set(key, answer);
    return answer;
  };
  return {
    get: (resource, namespace, name) =>
      once(`${resource.plural}/${namespace}/${name}`, () =>
        client.get(resource, { namespace, name }).catch((error: unknown) => {
          if (isNotFound(error)) return undefined;
          throw error;
        }),
      ),
    list: (resource, options = {}) =>
      once(`${resource.plural}?${JSON.stringify(options)}`, async () => (await client.list(resource, options)).items),
    raw: (path) => client.raw('GET', path),
  };
}

/** Has read all objects of each kind when it is first asked for one of it: for questions about everything. */
export function wholeSource(client: Client): Source {
  interface Whole {
    readonly items: readonly KubeObject[];
    readonly byName: ReadonlyMap<string, KubeObject>;
    readonly byNamespace: ReadonlyMap<string | undefined, readonly KubeObject[]>;
    readonly byService: ReadonlyMap<string, readonly KubeObject[]>;
    readonly byAddress: ReadonlyMap<string, readonly KubeObject[]>;
  }
  const read = new Map<string, Promise<Whole>>();
  const whole = (resource: Resource): Promise<Whole> => {
    const known = read.get(resource.plural);
    if (known) return known;
    const reading = client.list(resource).then(({ items }) => ({
      items,
      byName: new Map(items.map((item) => [`${item.metadata?.namespace}/${item.metadata?.name}`, item])),
      byNamespace: Map.groupBy(items, (item) => item.metadata?.namespace),
      byService: Map.groupBy(items, (item) => `${item.metadata?.namespace}/${item.metadata?.labels?.[serviceLabel]}`),
      byAddress: Map.groupBy(items, (item) => (item as Pod).status?.podIP ?? ''),
    }));
    read.set(resource.plural, reading);
    return reading;
  };
  return {
    async get<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string) {
      return (await whole(resource)).byName.get(`${namespace}/${name}`) as T | undefined;
    },
    async list<T extends KubeObject>(resource: Resource<T>, options: SelectorOptions = {}) {
      const { items, byNamespace, byService, byAddress } = await whole(resource);
      const { namespace, labelSelector, fieldSelector } = options;
      const wanted = Object.fromEntries(
        (labelSelector ?? '')
          .split(',')
          .filter(Boolean)
          .map((term) => term.split('=')),
      );
      const service = wanted[serviceLabel];
      const address = /^status\.podIP=(.*)$/.exec(fieldSelector ?? '')?.[1];
      const near =
        service !== undefined
          ? byService.get(`${namespace}/${service}`)
          : address !== undefined
            ? byAddress.get(address)
            : namespace === undefined
              ? items
              : byNamespace.get(namespace);
      const matches = labelSelector ? compileLabels(wanted).matches : () => true;
      return (near ?? []).filter((item) => matches(item.metadata?.labels)) as unknown as readonly T[];
    },
    raw: (path) => client.raw('GET', path),
  };
}

const serviceLabel = 'kubernetes.io/service-name';

/** Where the connections of the cluster's L7 proxy come from: an address a family. */
export interface ProxySource {
  readonly addresses: readonly string[];
  /** With an overlay: those that it has in the tunnels, by which it comes to pods. Nodes have ends of them too. */
  readonly inside?: readonly string[];
}

/** The objects of a cluster, as checks ask for them. */
export class Facts {
  readonly source: Source;
  /** `cluster.local` */
  readonly domain: string;
  /** Not there: it is not known, and nobody's policies are judged against it. */
  readonly proxy?: ProxySource;

  constructor(source: Source, domain = 'cluster.local', proxy?: ProxySource) {
    this.source = source;
    this.domain = domain;
    this.proxy = proxy;
  }

  pod(namespace: string, name: string): Promise<Pod | undefined> {
    return this.source.get(pods, namespace, name);
  }

  pods(namespace?: string): Promise<readonly Pod[]> {
    return this.source.list(pods, { namespace });
  }

  podsWith(namespace: string, labels: Labels): Promise<readonly Pod[]> {
    return this.source.list(pods, { namespace, labelSelector: selectorText(labels) });
  }

  async podAt(address: string): Promise<Pod | undefined> {
    const found = await this.source.list(pods, { fieldSelector: `status.podIP=${address}` });
    return found.find(({ spec, status }) => !spec?.hostNetwork && !isOver(status?.phase));
  }

  service(namespace: string, name: string): Promise<Service | undefined> {
    return this.source.get(services, namespace, name);
  }

  services(namespace?: string): Promise<readonly Service[]> {
    return this.source.list(services, { namespace });
  }

  slices(namespace: string, service: string): Promise<readonly EndpointSlice[]> {
    return this.source.list(endpointSlices, { namespace, labelSelector: `${serviceLabel}=${service}` });
  }

  policies(namespace?: string): Promise<readonly NetworkPolicy[]> {
    return this.source.list(networkPolicies, { namespace });
  }

  namespace(name: string): Promise<Namespace | undefined> {
    return this.source.get(namespaces, undefined, name);
  }

  namespaces(): Promise<readonly Namespace[]> {
    return this.source.list(namespaces);
  }

  nodes(): Promise<readonly Node[]> {
    return this.source.list(nodes);
  }

  async node(name: string): Promise<Node | undefined> {
    return (await this.nodes()).find(({ metadata }) => metadata?.name === name);
  }

  ingresses(): Promise<readonly Ingress[]> {
    return this.source.list(ingresses);
  }

  ingressClasses(): Promise<readonly IngressClass[]> {
    return this.source.list(ingressClasses);
  }

  /** Many may look at everything but Secrets. */
  async secret(namespace: string, name: string): Promise<Secret | 'forbidden' | undefined> {
    try {
      return await this.source.get(secrets, namespace, name);
    } catch (error) {
      if (error instanceof ApiError && error.code === 403) return 'forbidden';
      throw error;
    }
  }
}

export const isOver = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

function selectorText(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

export const keyOf = ({ metadata }: KubeObject): string => `${metadata?.namespace}/${metadata?.name}`;
