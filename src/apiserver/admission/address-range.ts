import { addressAt, type CIDR, indexOf, parseCIDR, sizeOf } from '../../base/cidr.ts';
import { Allocator } from './allocator.ts';
import type { ServiceFamily } from './service-families.ts';

/** The addresses of one family that Services get. */
export class AddressRange {
  readonly text: string;
  readonly family: ServiceFamily;
  readonly numbers: Allocator;
  readonly #cidr: CIDR;

  /** `10.96.0.0/16` */
  constructor(text: string) {
    this.text = text;
    this.#cidr = parseCIDR(text);
    this.family = this.#cidr.family === 'ipv6' ? 'IPv6' : 'IPv4';
    const size = sizeOf(this.#cidr);
    this.numbers = new Allocator(size, Math.min(Math.max(16, size / 16), 256));
    // The network's own address and the broadcast address are nobody's.
    this.numbers.use(0);
    if (this.family === 'IPv4') this.numbers.use(size - 1);
  }

  indexOf(address: string): number | undefined {
    return indexOf(this.#cidr, address);
  }

  addressAt(index: number): string {
    return addressAt(this.#cidr, index);
  }
}
