import { isDeepStrictEqual } from 'node:util';
import { services } from '../../api/resource.ts';
import type { Service } from '../../api/types.ts';
import type { Log } from '../../base/log.ts';
import { keyOf } from '../../client/cache.ts';
import type { Client } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import { addressService } from './addresses.ts';
import type { Gateway } from './objects.ts';

export interface AddressServicesOptions {
  readonly client: Client;
  readonly log: Log;
  /** Those that are ours, and Services, by `namespace/name`. */
  gateway(key: string): Gateway | undefined;
  service(key: string): Service | undefined;
}

/** Keeps the Services that hold the addresses of Gateways; they go with them, by their owner. */
export class AddressServices {
  readonly #options: AddressServicesOptions;
  readonly #controller: Controller;

  constructor(options: AddressServicesOptions) {
    this.#options = options;
    this.#controller = runController({ name: 'gateway-address', log: options.log, sync: (key) => this.#sync(key) });
  }

  check(gateway: Gateway): void {
    if (this.#isDue(addressService(gateway))) this.#controller.enqueue(keyOf(gateway));
  }

  async stop(): Promise<void> {
    await this.#controller.stop();
  }

  #isDue(wanted: Service): boolean {
    const present = this.#options.service(keyOf(wanted));
    return !present || (isOwned(present, wanted) && differs(present, wanted));
  }

  async #sync(key: string): Promise<void> {
    const gateway = this.#options.gateway(key);
    if (!gateway || gateway.metadata?.deletionTimestamp) return;
    const wanted = addressService(gateway);
    if (!this.#isDue(wanted)) return;
    const { client } = this.#options;
    if (!this.#options.service(keyOf(wanted))) {
      await client.create(services, wanted);
      return;
    }
    const { name = '', namespace, labels, annotations } = wanted.metadata ?? {};
    const { ports, loadBalancerIP = null } = wanted.spec ?? {};
    const patch = { metadata: { labels, annotations }, spec: { ports, loadBalancerIP } };
    await client.patch(services, { name, namespace }, 'merge', patch);
  }
}

/** Somebody else's of the same name is left alone. */
function isOwned({ metadata }: Service, wanted: Service): boolean {
  const uid = wanted.metadata?.ownerReferences?.[0]?.uid;
  return metadata?.ownerReferences?.some((each) => each.uid === uid) ?? false;
}

/** What was added by others stays. */
function differs({ metadata, spec }: Service, wanted: Service): boolean {
  const { labels, annotations } = wanted.metadata ?? {};
  const portsOf = (service: Service['spec']) => service?.ports?.map(({ port }) => port);
  return (
    !isDeepStrictEqual({ ...metadata?.labels, ...labels }, { ...metadata?.labels }) ||
    !isDeepStrictEqual({ ...metadata?.annotations, ...annotations }, { ...metadata?.annotations }) ||
    !isDeepStrictEqual(portsOf(spec), portsOf(wanted.spec)) ||
    spec?.loadBalancerIP !== wanted.spec?.loadBalancerIP
  );
}
