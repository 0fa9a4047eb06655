import { pods } from '../api/resource.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Client } from '../client/client.ts';
import { createInformers } from '../client/informers.ts';
import { isWithin, knownNameKey, maxNameBytes, type NameKey, rootKey } from './names.ts';

/** The server's side of a pod's search path: which names stand for a name that the pod asks for. */
export interface Autopath {
  /**
   * The names that the resolver of the pod at `address` would go on to ask after `name`, which begins its search, in
   * its order. None where `name` does not, or where no pod has that address alone.
   */
  candidates(name: NameKey, address: string): readonly NameKey[];
}

export interface AutopathOptions {
  readonly client: Client;
  readonly log: Log;
  /** The cluster's. */
  readonly domain: NameKey;
  /** Search domains that pods have from their nodes, behind the cluster's. */
  searches(): readonly NameKey[];
}

const noCandidates: readonly NameKey[] = [];

/** Pods are followed only while it is on. */
export class AutopathSwitch implements Running {
  readonly #options: AutopathOptions;
  #running: (Autopath & Running) | undefined;

  constructor(options: AutopathOptions) {
    this.#options = options;
  }

  get current(): Autopath | undefined {
    return this.#running;
  }

  turn(on: boolean): void {
    if (on) this.#running ??= startAutopath(this.#options);
    else void this.stop();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }
}

/** Knows each pod's namespace by its address. Until the pods are known it has no candidates. */
function startAutopath({ client, log, domain, searches }: AutopathOptions): Autopath & Running {
  const informers = createInformers(client, log);
  const byAddress = informers.informer(pods, {
    // Nothing else of a pod is needed, and there are many.
    transform: ({ metadata, spec, status }) => ({
      metadata: { name: metadata?.name, namespace: metadata?.namespace, resourceVersion: metadata?.resourceVersion },
      spec: spec?.hostNetwork ? { containers: [], hostNetwork: true } : undefined,
      status: { phase: status?.phase, podIPs: status?.podIPs },
    }),
    indexes: {
      address: ({ spec, status }) =>
        // Pods in their node's network share its address, and pods that ended have given theirs back.
        spec?.hostNetwork || status?.phase === 'Succeeded' || status?.phase === 'Failed'
          ? []
          : (status?.podIPs ?? []).map(({ ip }) => ip),
    },
  });
  // It ends by `stop` alone.
  informers.start().catch(() => undefined);
  const services = knownNameKey('svc').slice(0, -1) + domain;
  return {
    candidates(name, address) {
      const namespaces = new Set(byAddress.byIndex('address', address).map(({ metadata }) => metadata?.namespace));
      const [namespace] = namespaces;
      if (namespaces.size !== 1 || !namespace) return noCandidates;
      const first = knownNameKey(namespace).slice(0, -1) + services;
      if (name === first || !isWithin(name, first)) return noCandidates;
      const asked = name.slice(0, name.length - first.length);
      const names = [services, domain, ...searches(), rootKey].map((suffix) => asked + suffix);
      return names.filter(({ length }) => length <= maxNameBytes);
    },
    stop: () => informers.stop(),
  };
}
