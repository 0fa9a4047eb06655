import { serviceCIDRs } from '../../api/resource.ts';
import type { ServiceCIDR } from '../../api/types.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import { AddressRange } from './address-range.ts';
import { DEFAULT_RANGE } from './default-range.ts';

/** The ranges that ServiceCIDRs offer: those of every one that is ready and stays. They may overlap. */
export class ServiceRanges {
  readonly #cache: WatchCache;
  readonly #used: () => Iterable<string>;
  #ranges: readonly AddressRange[] = [];

  /** `used` tells of all addresses that are somebody's, when a range is new. */
  constructor(cache: WatchCache, used: () => Iterable<string>) {
    this.#cache = cache;
    this.#used = used;
    cache.resource(serviceCIDRs).subscribe(() => this.read());
  }

  /** Reads the ServiceCIDRs anew. */
  read(): void {
    const objects = this.#cache.resource(serviceCIDRs).list();
    const ready = objects.map((object) => object.parse<ServiceCIDR>()).filter(isReady);
    // The cluster's own range is asked first, the others in the order of their names.
    const ordered = [...ready.filter(isDefault), ...ready.filter((each) => !isDefault(each))];
    const texts = new Set(ordered.flatMap(({ spec }) => spec?.cidrs ?? []));
    const known = new Map(this.#ranges.map((range) => [range.text, range]));
    this.#ranges = [...texts].map((text) => known.get(text) ?? this.#open(text));
  }

  /** Whether a Service may have this address. */
  offers(address: string): boolean {
    return this.#ranges.some((range) => range.offers(address));
  }

  set(address: string, used: boolean): void {
    for (const range of this.#ranges) range.set(address, used);
  }

  pick(family: string): string | undefined {
    for (const range of this.#ranges) {
      const address = range.family === family ? range.pick() : undefined;
      if (address !== undefined) return address;
    }
    return undefined;
  }

  #open(text: string): AddressRange {
    const range = new AddressRange(text);
    for (const address of this.#used()) range.set(address, true);
    return range;
  }
}

const isDefault = ({ metadata }: ServiceCIDR): boolean => metadata?.name === DEFAULT_RANGE;

const isReady = ({ metadata, status }: ServiceCIDR): boolean =>
  metadata?.deletionTimestamp === undefined &&
  status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
