import { completeAddresses, validateServiceAddresses } from '../../api/kinds/core/service-addresses.ts';
import { invalid as invalidField } from '../../api/kinds/errors.ts';
import { services } from '../../api/resource.ts';
import type { Service } from '../../api/types.ts';
import { canonicalAddress } from '../../base/prefixes.ts';
import type { CachedObject } from '../cache/object.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import { internalError, invalid } from '../errors.ts';
import { Allocator } from '../service-addresses/allocator.ts';
import type { AddressBook } from '../service-addresses/book.ts';
import type { AdmissionPlugin, AdmissionRequest, Settle } from './chain.ts';
import { familyOfAddress, type ServiceFamily, settleFamilies } from './service-families.ts';

type Spec = NonNullable<Service['spec']>;

export interface ServiceNumbers {
  /** Of the cluster, one a family, the default one first: `10.96.0.0/16`. */
  readonly serviceCIDRs: readonly string[];
  readonly nodePortRange: readonly [first: number, last: number];
}

/** Gives Services their addresses and node ports. What is given is known from the objects themselves. */
export function serviceAllocation(cache: WatchCache, book: AddressBook, numbers: ServiceNumbers): AdmissionPlugin {
  const allocation = new ServiceAllocation(cache, book, numbers);
  return {
    name: 'ServiceAllocation',
    admit(request) {
      const { kind, operation, subresource } = request;
      if (kind.kind !== 'Service' || kind.group !== '' || operation === 'DELETE' || subresource !== '')
        return undefined;
      return allocation.allocate(request);
    },
  };
}

class ServiceAllocation {
  readonly #book: AddressBook;
  readonly #families: readonly ServiceFamily[];
  readonly #ports: readonly [first: number, last: number];
  readonly #nodePorts: Allocator;

  constructor(cache: WatchCache, book: AddressBook, { serviceCIDRs, nodePortRange }: ServiceNumbers) {
    this.#book = book;
    this.#families = serviceCIDRs.map((cidr) => familyOfAddress(cidr.split('/')[0] ?? ''));
    this.#ports = nodePortRange;
    const portCount = nodePortRange[1] - nodePortRange[0] + 1;
    this.#nodePorts = new Allocator(portCount, Math.min(Math.max(16, Math.floor(portCount / 32)), 128));
    const known = cache.resource(services);
    for (const object of known.list()) this.#count(object, 'use');
    known.subscribe(({ type, object, previous }) => {
      if (previous) this.#count(previous, 'release');
      if (type !== 'DELETED') this.#count(object, 'use');
    });
  }

  /** Fills in what the Service has to be given; returns what ends the reservation, since the Service itself counts then. */
  allocate(request: AdmissionRequest): Settle {
    const spec = (request.object as Service).spec ?? {};
    const old = (request.old as Service | undefined)?.spec ?? {};
    if (!request.old) completeAddresses(spec);
    const undo: Settle[] = [];
    const settle = () => {
      for (const each of undo) each();
    };
    try {
      this.#addressesOf(request, spec, old, undo);
      this.#eachPort(request, spec, old, undo);
      this.#healthPort(request, spec, old, undo);
      return settle;
    } catch (error) {
      settle();
      throw error;
    }
  }

  #addressesOf(request: AdmissionRequest, spec: Spec, old: Spec, undo: Settle[]): void {
    if (spec.type === 'ExternalName') return;
    const wrong = validateServiceAddresses(spec, old.clusterIPs);
    if (wrong.length > 0) throw invalid(request.kind, request.name, wrong);
    const complaints = settleFamilies(spec, this.#families);
    if (complaints.length > 0) {
      const errors = complaints.map(({ field, value, why }) => invalidField(field, value, why));
      throw invalid(request.kind, request.name, errors);
    }
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return;
    }
    const asked = spec.clusterIPs ?? [];
    spec.clusterIPs = (spec.ipFamilies ?? []).map((family, index) => {
      const address = asked[index];
      const known = index === 0 ? old.clusterIP : old.clusterIPs?.[index];
      return address && known ? address : this.#reserveAddress(request, family, address, undo);
    });
    spec.clusterIP = spec.clusterIPs[0];
  }

  #reserveAddress(request: AdmissionRequest, family: string, asked: string | undefined, undo: Settle[]): string {
    if (asked) this.#assertFree(request, asked);
    const address = asked || this.#book.pick(family);
    if (!address) {
      const service = JSON.stringify(request.name);
      throw internalError(`failed to allocate a serviceIP for Service ${service}: range is full`);
    }
    undo.push(this.#book.hold(canonicalAddress(address) ?? address));
    return address;
  }

  #assertFree(request: AdmissionRequest, asked: string): void {
    const address = canonicalAddress(asked) ?? asked;
    const offered = this.#book.offers(address);
    if (offered && !this.#book.isUsed(address)) return;
    const why = offered ? 'provided IP is already allocated' : 'the provided network does not match the current range';
    throw refused(request, 'spec.clusterIPs', [asked], `failed to allocate IP ${asked}: ${why}`);
  }

  #eachPort(request: AdmissionRequest, spec: Spec, old: Spec, undo: Settle[]): void {
    const wants =
      spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
    // TCP and UDP of one number are one allocation within a Service.
    const own = new Set((old.ports ?? []).map((port) => port.nodePort).filter((port) => port !== undefined));
    const byNumber = new Map<number, Set<string>>();
    for (const [index, port] of (spec.ports ?? []).entries()) {
      // What is wrong with it is for validation to say.
      if (spec.type === 'ClusterIP' || spec.type === 'ExternalName') continue;
      if (!port.nodePort) {
        if (!wants) continue;
        port.nodePort = this.#sharedPort(byNumber, spec, port) ?? this.#pickPort(undo);
      } else if (!own.has(port.nodePort) && !byNumber.has(port.nodePort)) {
        this.#takePort(request, port.nodePort, `spec.ports[${index}].nodePort`, undo);
      }
      const protocols = byNumber.get(port.nodePort) ?? new Set();
      byNumber.set(port.nodePort, protocols.add(port.protocol ?? 'TCP'));
    }
  }

  /** The node port of the same port with another protocol, as Kubernetes gives DNS one number for UDP and TCP. */
  #sharedPort(byNumber: Map<number, Set<string>>, spec: Spec, port: { port: number; protocol?: string }) {
    const twin = spec.ports?.find(
      (each) => each.port === port.port && each.nodePort && each.protocol !== port.protocol,
    );
    const number = twin?.nodePort;
    return number && !byNumber.get(number)?.has(port.protocol ?? 'TCP') ? number : undefined;
  }

  #pickPort(undo: Settle[]): number {
    const index = this.#nodePorts.pick();
    if (index === undefined) throw internalError('failed to allocate a nodePort: range is full');
    hold(this.#nodePorts, index, undo);
    return this.#ports[0] + index;
  }

  #takePort(request: AdmissionRequest, port: number, field: string, undo: Settle[]): void {
    const [first, last] = this.#ports;
    if (port < first || port > last) {
      throw refused(
        request,
        field,
        port,
        `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
      );
    }
    if (this.#nodePorts.isUsed(port - first)) throw refused(request, field, port, 'provided port is already allocated');
    hold(this.#nodePorts, port - first, undo);
  }

  #healthPort(request: AdmissionRequest, spec: Spec, old: Spec, undo: Settle[]): void {
    const wants = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
    if (!wants) return;
    // One that is there does not change.
    if (old.healthCheckNodePort && spec.healthCheckNodePort) return;
    if (!spec.healthCheckNodePort) spec.healthCheckNodePort = this.#pickPort(undo);
    else this.#takePort(request, spec.healthCheckNodePort, 'spec.healthCheckNodePort', undo);
  }

  #count(object: CachedObject, change: 'use' | 'release'): void {
    const spec = object.parse<Service>().spec ?? {};
    const ports = new Set([...(spec.ports ?? []).map((port) => port.nodePort), spec.healthCheckNodePort]);
    for (const port of ports) if (port) this.#nodePorts[change](port - this.#ports[0]);
  }
}

function hold(allocator: Allocator, number: number, undo: Settle[]): void {
  allocator.use(number);
  undo.push(() => allocator.release(number));
}

function refused({ kind, object }: AdmissionRequest, field: string, value: unknown, why: string) {
  return invalid(kind, object?.metadata?.name ?? '', [invalidField(field, value, why)]);
}
