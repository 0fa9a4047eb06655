import type { Secret, Service } from '../../api/types.ts';
import { gatewayAddressClass } from '../loadbalancer/addresses.ts';
import { knitClass } from './classes.ts';
import {
  type BackendTLSPolicy,
  type Gateway,
  type GRPCRoute,
  gatewayGroup,
  type HTTPRoute,
  type HTTPRouteRule,
  type Listener,
  type ListenerSet,
  type ReferenceGrant,
  type TLSRoute,
} from './objects.ts';
import type { GatewayObjects } from './plan.ts';

/** Objects for tests, of which only what matters is said. */
export function testListener(more: Partial<Listener> = {}): Listener {
  return { name: 'http', port: 80, protocol: 'HTTP', ...more };
}

export function testGateway(name = 'gw', listeners: readonly Listener[] = [testListener()]): Gateway {
  return {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'Gateway',
    metadata: { name, namespace: 'shop', generation: 1, uid: name },
    spec: { gatewayClassName: 'knit', listeners: [...listeners] },
  };
}

export function testRoute(
  name: string,
  rules: HTTPRouteRule[],
  {
    createdAt = '2026-01-01T00:00:00Z',
    namespace = 'shop',
    ...more
  }: Partial<HTTPRoute['spec']> & { createdAt?: string; namespace?: string } = {},
): HTTPRoute {
  return {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'HTTPRoute',
    metadata: { name, namespace, creationTimestamp: createdAt, generation: 1 },
    spec: { parentRefs: [{ name: 'gw', namespace: 'shop' }], rules, ...more },
  };
}

export interface TestWorld {
  readonly gateways?: readonly Gateway[];
  readonly routes?: readonly HTTPRoute[];
  readonly grpcRoutes?: readonly GRPCRoute[];
  readonly tlsRoutes?: readonly TLSRoute[];
  readonly listenerSets?: readonly ListenerSet[];
  readonly tlsPolicies?: readonly BackendTLSPolicy[];
  readonly grants?: readonly ReferenceGrant[];
  /** Of port 80, in the namespace `shop`. */
  readonly services?: readonly string[];
  /** By `namespace/name`. */
  readonly secrets?: Readonly<Record<string, Secret>>;
}

/** Every Gateway has an address. */
export function testWorld(world: TestWorld): GatewayObjects {
  const {
    gateways = [testGateway()],
    routes = [],
    grpcRoutes = [],
    tlsRoutes = [],
    listenerSets = [],
    tlsPolicies = [],
    grants = [],
    services = ['web'],
    secrets = {},
  } = world;
  return {
    classes: [knitClass],
    gateways,
    httpRoutes: routes,
    grpcRoutes,
    tlsRoutes,
    listenerSets,
    tlsPolicies,
    grants,
    namespace: (name) => ({ metadata: { name, labels: { name } } }),
    service: (key) => {
      const name = key.replace(/^shop\//, '');
      if (name.endsWith('-knit')) return holder;
      return services.includes(name) ? { spec: { ports: [{ port: 80 }] } } : undefined;
    },
    configMap: () => undefined,
    secret: (key) => secrets[key],
  };
}

const holder: Service = {
  spec: { loadBalancerClass: gatewayAddressClass },
  status: { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } },
};
