import { addressAt, type CIDR, indexOf, parseCIDR, sizeOf } from '../../base/cidr.ts';
import type { ServiceFamily } from '../admission/service-families.ts';
import { Allocator } from './allocator.ts';

/** Of a larger range no more addresses than these are given by chance: beyond 2^53 numbers are not exact. */
const MOST = 2 ** 48;

/** The addresses of one range that Services get. */
export class AddressRange {
  readonly text: string;
  readonly family: ServiceFamily;
  readonly #numbers: Allocator;
  readonly #cidr: CIDR;

  /** `10.96.0.0/16` */
  constructor(text: string) {
    this.text = text;
    this.#cidr = parseCIDR(text);
    this.family = this.#cidr.family === 'ipv6' ? 'IPv6' : 'IPv4';
    const size = Math.min(sizeOf(this.#cidr), MOST);
    this.#numbers = new Allocator(size, Math.min(Math.max(16, size / 16), 256));
    // The network's own address and the broadcast address are nobody's.
    this.#numbers.use(0);
    if (this.family === 'IPv4') this.#numbers.use(size - 1);
  }

  /** Whether it is an address that a Service may have. */
  offers(address: string): boolean {
    const index = indexOf(this.#cidr, address);
    return index !== undefined && index > 0 && (this.family === 'IPv6' || index < sizeOf(this.#cidr) - 1);
  }

  /** Says whether an address is somebody's; nothing where it is not of this range. */
  set(address: string, used: boolean): void {
    const index = indexOf(this.#cidr, address);
    if (index === undefined) return;
    if (used) this.#numbers.use(index);
    else this.#numbers.release(index);
  }

  /** A free address, by chance; `undefined` where there is none. */
  pick(): string | undefined {
    const index = this.#numbers.pick();
    return index === undefined ? undefined : addressAt(this.#cidr, index);
  }
}
