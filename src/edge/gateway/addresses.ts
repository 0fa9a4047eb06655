import type { Service } from '../../api/types.ts';
import { shortHash } from '../ingress/backends.ts';
import { gatewayAddressClass, ipModeAnnotation } from '../loadbalancer/addresses.ts';
import type { Problem } from './conditions.ts';
import type { Gateway } from './objects.ts';

/** Of what belongs to a Gateway (GEP-1762). */
const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';

/**
 * The Service that holds a Gateway's addresses: who gives them to load balancers gives them to Gateways. Nothing is led
 * to its own virtual address, and nodes leave the others alone. Named as GEP-1762 says.
 */
export function addressService({ metadata, spec }: Gateway): Service {
  const { labels, annotations } = spec.infrastructure ?? {};
  const { name = '', namespace, uid = '' } = metadata ?? {};
  const ports = [...new Set(spec.listeners.map(({ port }) => port))].toSorted((a, b) => a - b);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: serviceName(name, spec.gatewayClassName),
      namespace,
      labels: { ...labels, [gatewayNameLabel]: name },
      annotations: { ...annotations, [ipModeAnnotation]: 'Proxy' },
      ownerReferences: [{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name, uid, controller: true }],
    },
    spec: {
      type: 'LoadBalancer',
      loadBalancerClass: gatewayAddressClass,
      allocateLoadBalancerNodePorts: false,
      ipFamilyPolicy: 'PreferDualStack',
      ports: ports.map((port) => ({ name: `port-${port}`, port, protocol: 'TCP' })),
      ...askedAddress(spec),
    },
  };
}

function askedAddress({ addresses = [] }: Gateway['spec']): { loadBalancerIP?: string } {
  const asked = addresses.find(({ value }) => value)?.value;
  return asked === undefined ? {} : { loadBalancerIP: asked };
}

/** `web-knit`; where that is no name of a Service, with what tells it from others. */
export function serviceName(gateway: string, gatewayClass: string): string {
  const whole = `${gateway}-${gatewayClass}`;
  if (/^[a-z][a-z0-9-]{0,62}$/.test(whole)) return whole;
  return `${`gateway-${whole}`.replaceAll('.', '-').slice(0, 46)}-${shortHash(whole)}`;
}

/** Not somebody else's of the same name. */
export function isAddressService(service: Service | undefined): boolean {
  return service?.spec?.loadBalancerClass === gatewayAddressClass;
}

export function addressesOf(service: Service | undefined): string[] {
  return service?.status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []) ?? [];
}

/** What it asks for is no kind of address that there is here. */
export function unsupportedAddress({ spec }: Gateway): Problem | undefined {
  const other = spec.addresses?.find(({ type = 'IPAddress' }) => type !== 'IPAddress');
  return other && { reason: 'UnsupportedAddress', message: `addresses of the type ${other.type} are not given` };
}

/** Why it is not reached, or not as it asks. */
export function addressProblem({ spec }: Gateway, held: readonly string[]): Problem | undefined {
  const missing = (spec.addresses ?? []).flatMap(({ value }) => (value && !held.includes(value) ? [value] : []));
  if (missing.length > 0) {
    return {
      reason: 'AddressNotUsable',
      message: `${missing.join(', ')}: not to be had, see the events of its Service`,
    };
  }
  return held.length > 0 ? undefined : { reason: 'AddressNotAssigned', message: 'no address is free' };
}
