import { conditionOf } from '../../api/kinds/apiextensions/conditions.ts';
import { localStatus } from '../../api/kinds/apiregistration/api-service.ts';
import { apiServices, customResourceDefinitions } from '../../api/resource.ts';
import type { APIService, CustomResourceDefinition } from '../../api/types.ts';
import { Coalesced } from '../../base/coalesced.ts';
import { ensure } from '../bootstrap.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import { deleteObject } from '../registry/delete.ts';
import type { User } from '../request.ts';

/** Who keeps an APIService: it is made at the start of the server (`onstart`), or goes with its definition (`true`). */
const MANAGED = 'kube-aggregator.kubernetes.io/automanaged';
const user: User = { name: 'system:kube-aggregator', groups: ['system:masters'] };

/** The group's priority, and its versions' within it (kube-apiserver's own). */
const priorities: Readonly<Record<string, readonly [group: number, versions: Readonly<Record<string, number>>]>> = {
  '': [18000, { v1: 1 }],
  apps: [17800, { v1: 15 }],
  'events.k8s.io': [17750, { v1: 15 }],
  'authentication.k8s.io': [17700, { v1: 15 }],
  'authorization.k8s.io': [17600, { v1: 15 }],
  autoscaling: [17500, { v1: 15, v2: 30 }],
  batch: [17400, { v1: 15 }],
  'certificates.k8s.io': [17300, { v1: 15 }],
  'networking.k8s.io': [17200, { v1: 15 }],
  policy: [17100, { v1: 15 }],
  'rbac.authorization.k8s.io': [17000, { v1: 15 }],
  'storage.k8s.io': [16800, { v1: 15 }],
  'apiextensions.k8s.io': [16700, { v1: 15 }],
  'admissionregistration.k8s.io': [16700, { v1: 15 }],
  'scheduling.k8s.io': [16600, { v1: 15 }],
  'coordination.k8s.io': [16500, { v1: 15 }],
  'node.k8s.io': [16300, { v1: 15 }],
  'resource.k8s.io': [16200, { v1: 21 }],
  'discovery.k8s.io': [16200, { v1: 15 }],
  'flowcontrol.apiserver.k8s.io': [16100, { v1: 21 }],
};
/** Of every definition. */
const customPriority = { group: 1000, version: 100 };

const nameOf = (group: string, version: string): string => `${version}.${group}`;

function localService(
  group: string,
  version: string,
  priority: { readonly group: number; readonly version: number },
  managed: string,
): APIService {
  return {
    metadata: { name: nameOf(group, version), labels: { [MANAGED]: managed } },
    spec: { group, version, groupPriorityMinimum: priority.group, versionPriority: priority.version },
    status: localStatus(),
  };
}

/** Shows the groups that this server has itself as APIServices. */
export async function registerBuiltIn(context: Context): Promise<void> {
  const entries = Object.entries(priorities).flatMap(([group, [priority, versions]]) =>
    Object.entries(versions).map(([version, of]) => ({ group, version, priority: { group: priority, version: of } })),
  );
  await Promise.all(
    entries
      .filter(({ group, version }) => context.kinds.inGroupVersion(group, version).length > 0)
      .map(({ group, version, priority }) => register(context, localService(group, version, priority, 'onstart'))),
  );
}

const register = (context: Context, service: APIService): Promise<void> =>
  ensure(context, apiServices, service, { keepsStatus: true });

/** The same for groups of CustomResourceDefinitions, as long as one of them has a version served. */
export class CustomServices {
  readonly #context: Context;
  #unsubscribe: () => void = () => undefined;
  readonly #work = new Coalesced(() =>
    this.#sync().catch((error: unknown) =>
      this.#context.log.warn('APIServices of definitions cannot be kept', { error }),
    ),
  );

  constructor(context: Context) {
    this.#context = context;
  }

  start(): void {
    const definitions = this.#context.cache.resource(customResourceDefinitions);
    this.#unsubscribe = definitions.subscribe(() => this.#work.wake());
    if (definitions.size > 0) this.#work.wake();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#work.idle();
  }

  async #sync(): Promise<void> {
    const wanted = new Map(this.#served().map((each) => [nameOf(each.group, each.version), each]));
    const present = this.#context.cache.resource(apiServices).list();
    const stale = present.filter(
      ({ labels, key }) => labels[MANAGED] === 'true' && !wanted.has(key.slice(key.lastIndexOf('/') + 1)),
    );
    await Promise.all([
      ...[...wanted.values()].map(({ group, version }) =>
        register(this.#context, localService(group, version, customPriority, 'true')),
      ),
      ...stale.map(({ key }) => this.#remove(key.slice(key.lastIndexOf('/') + 1))),
    ]);
  }

  #served(): { group: string; version: string }[] {
    const definitions = this.#context.cache.resource(customResourceDefinitions).list();
    return definitions
      .map((object) => object.parse<CustomResourceDefinition>())
      .filter((crd) => conditionOf(crd, 'Established')?.status === 'True')
      .flatMap(({ spec }) =>
        spec.versions.filter(({ served }) => served).map(({ name }) => ({ group: spec.group, version: name })),
      );
  }

  async #remove(name: string): Promise<void> {
    const kind = this.#context.kinds.find(apiServices);
    if (!kind) return;
    const target = { kind, namespace: '', name, subresource: '', user, dryRun: false };
    await deleteObject(this.#context, target, {}).catch((error: unknown) => {
      if (!(error instanceof StatusError) || error.code !== 404) throw error;
    });
  }
}
