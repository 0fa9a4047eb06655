import { ipAddresses, services } from '../../api/resource.ts';
import type { IPAddress, Service } from '../../api/types.ts';
import { canonicalAddress } from '../../base/prefixes.ts';
import type { CachedObject } from '../cache/object.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import { ServiceRanges } from './ranges.ts';
import { isManaged, serviceOf } from './record.ts';

/** Whom an IPAddress names. */
interface Holder {
  /** `default/web`; `undefined` where it is no Service. */
  readonly service: string | undefined;
  /** Whether it was made for a Service by an API server, and not by somebody who wants the address kept free. */
  readonly managed: boolean;
}

/** Whose an address is: by what Services say, by whom IPAddresses name, and by the writes under way. */
export class AddressBook {
  /** Keys of the Services with an address: `default/web`. One, but where somebody went around this server. */
  readonly #services = new Map<string, readonly string[]>();
  readonly #holders = new Map<string, Holder>();
  readonly #held = new Map<string, number>();
  readonly #ranges: ServiceRanges;
  readonly #disagreeing = new Set<string>();
  #onDisagreement: () => void = () => undefined;

  constructor(cache: WatchCache) {
    this.#ranges = new ServiceRanges(cache, () => new Set([...this.#services.keys(), ...this.#holders.keys()]));
    const allServices = cache.resource(services);
    for (const object of allServices.list()) this.#enter(object);
    allServices.subscribe(({ type, object, previous }) => {
      if (previous) this.#leave(previous);
      if (type !== 'DELETED') this.#enter(object);
    });
    const records = cache.resource(ipAddresses);
    for (const object of records.list()) this.#record(object);
    records.subscribe(({ type, object }) => {
      if (type === 'DELETED') this.#change(nameOf(object), (address) => this.#holders.delete(address));
      else this.#record(object);
    });
    this.#ranges.read();
  }

  isUsed(address: string): boolean {
    return this.#services.has(address) || this.#holders.has(address) || this.#held.has(address);
  }

  /** Whether a ready ServiceCIDR has this address for a Service. */
  offers(address: string): boolean {
    return this.#ranges.offers(address);
  }

  /** A free address of `IPv4` or `IPv6`, by chance; `undefined` where all are used. */
  pick(family: string): string | undefined {
    return this.#ranges.pick(family);
  }

  /** Keeps an address for a write until the returned function is called. */
  hold(address: string): () => void {
    const add = (change: 1 | -1) => () => {
      const count = (this.#held.get(address) ?? 0) + change;
      if (count > 0) this.#held.set(address, count);
      else this.#held.delete(address);
    };
    this.#change(address, add(1));
    return () => this.#change(address, add(-1));
  }

  servicesOf(address: string): readonly string[] {
    return this.#services.get(address) ?? [];
  }

  holderOf(address: string): Holder | undefined {
    return this.#holders.get(address);
  }

  /** Addresses whose Services and IPAddress do not name each other. */
  get disagreeing(): ReadonlySet<string> {
    return this.#disagreeing;
  }

  /** Calls back when an address begins to be one of them. In the middle of a commit some are, for a moment. */
  onDisagreement(listener: () => void): void {
    this.#onDisagreement = listener;
  }

  #enter(object: CachedObject): void {
    const { key, addresses } = addressesIn(object);
    for (const each of addresses) {
      this.#change(each, (address) => this.#services.set(address, [...this.servicesOf(address), key]));
    }
  }

  #leave(object: CachedObject): void {
    const { key, addresses } = addressesIn(object);
    for (const each of addresses) {
      this.#change(each, (address) => {
        const others = this.servicesOf(address).filter((other) => other !== key);
        if (others.length > 0) this.#services.set(address, others);
        else this.#services.delete(address);
      });
    }
  }

  #record(object: CachedObject): void {
    const record = object.parse<IPAddress>();
    const holder = { service: serviceOf(record), managed: isManaged(record) };
    this.#change(nameOf(object), (address) => this.#holders.set(address, holder));
  }

  /** Every change of who has an address goes through here. */
  #change(address: string, change: (address: string) => void): void {
    const before = this.isUsed(address);
    change(address);
    const after = this.isUsed(address);
    if (before !== after) this.#ranges.set(address, after);
    if (this.#agrees(address)) this.#disagreeing.delete(address);
    else if (!this.#disagreeing.has(address)) {
      this.#disagreeing.add(address);
      this.#onDisagreement();
    }
  }

  #agrees(address: string): boolean {
    const [service, ...others] = this.servicesOf(address);
    const holder = this.#holders.get(address);
    if (service === undefined) return !holder?.managed;
    return others.length === 0 && holder?.managed === true && holder.service === service;
  }
}

function addressesIn(object: CachedObject): { key: string; addresses: readonly string[] } {
  const { metadata, spec } = object.parse<Service>();
  return { key: `${metadata?.namespace}/${metadata?.name}`, addresses: addressesOf(spec) };
}

/** The addresses of a Service as IPAddresses are named; none where it is headless. */
export function addressesOf(spec: Service['spec']): readonly string[] {
  return (spec?.clusterIPs ?? [spec?.clusterIP ?? '']).flatMap((address) => canonicalAddress(address) ?? []);
}

const nameOf = ({ key }: CachedObject): string => key.slice(key.lastIndexOf('/') + 1);
