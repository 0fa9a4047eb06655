import type { Certificates, Injected } from './faults.ts';

const group = 'gateway.networking.k8s.io';

interface RouteShape {
  readonly namespace?: string;
  readonly kind?: 'HTTPRoute' | 'GRPCRoute';
  readonly parent?: object;
  readonly rule?: object;
}

const webBackend = { name: 'web', port: 80 };

/** A route of the Gateway `base/main`, with one rule; by its listener `http` if nothing is said. */
function route(name: string, hostnames: readonly string[] | undefined, shape: RouteShape = {}) {
  const { namespace = 'base', kind = 'HTTPRoute', parent = { sectionName: 'http' }, rule } = shape;
  return {
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name, namespace },
    spec: {
      parentRefs: [{ name: 'main', namespace: 'base', ...parent }],
      hostnames,
      rules: [{ backendRefs: [webBackend], ...rule }],
    },
  };
}

function gateway(name: string, listeners: readonly object[], spec: object = {}) {
  return {
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: { name, namespace: 'base' },
    spec: { gatewayClassName: 'knit', listeners, ...spec },
  };
}

const http = (hostname?: string) => ({ name: 'http', port: 80, protocol: 'HTTP', hostname });

/** At port 443, with the certificate of a Secret. */
const https = (name: string, secretName: string, namespace?: string) => ({
  name,
  port: 443,
  protocol: 'HTTPS',
  hostname: `${name}.gw.example`,
  tls: { certificateRefs: [{ name: secretName, namespace }] },
});

const tlsSecret = (name: string, { cert, key }: Certificates['other']) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/tls',
  metadata: { name, namespace: 'base' },
  data: { 'tls.crt': btoa(cert), 'tls.key': btoa(key) },
});

const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'base' },
  spec,
});

/** Faults of one Gateway's listeners, of its routes, and of a few Gateways more. `https` of it leads to `web`. */
export function gatewayFaults({ expired, other }: Certificates): readonly Injected[] {
  const main = gateway('main', [
    http(),
    { name: 'only', port: 8080, protocol: 'HTTP', hostname: 'only.gw.example' },
    { name: 'udp', port: 53, protocol: 'UDP' },
    https('missing', 'not-there'),
    https('ungranted', 'anything', 'closed-in'),
    https('expired', 'gw-expired'),
    https('other', 'gw-other'),
  ]);
  const url = (to: string) => ({ from: 'client/alice', to });
  const ofRoute = (root: Injected['root'], name: string, shape: RouteShape = {}, ...more: object[]): Injected => ({
    root,
    objects: [route(name, [`${name}.gw.example`], shape), ...more],
    ask: url(`http://${name}.gw.example/`),
  });
  const to = (...backendRefs: object[]) => ({ rule: { backendRefs } });
  const path = { path: { type: 'PathPrefix', value: '/api' } };
  const mirror = { type: 'RequestMirror', requestMirror: { backendRef: webBackend } };
  return [
    {
      root: 'GATEWAY_CLASS_UNKNOWN',
      objects: [main, gateway('classless', [http('classless.example')], { gatewayClassName: 'gone' })],
      ask: url('http://classless.example/'),
    },
    {
      root: 'GATEWAY_NOT_ACCEPTED',
      objects: [
        gateway('hostnamed', [http('hostnamed.example')], { addresses: [{ type: 'Hostname', value: 'a.example' }] }),
      ],
      ask: url('http://hostnamed.example/'),
    },
    {
      root: 'GATEWAY_NO_ADDRESS',
      objects: [
        gateway('nowhere', [http('nowhere.example')], { addresses: [{ type: 'IPAddress', value: '192.0.2.77' }] }),
      ],
      ask: url('http://nowhere.example/'),
    },
    {
      root: 'GATEWAY_CERTIFICATE_UNUSABLE',
      follows: 'GATEWAY_NOT_PROGRAMMED',
      objects: [gateway('useless', [https('useless', 'not-there')])],
      ask: { to: 'gateway/base/useless' },
    },
    { root: 'GATEWAY_PORT_UNKNOWN', objects: [], ask: url('http://only.gw.example:81/') },
    { root: 'GATEWAY_PROTOCOL_MISMATCH', objects: [], ask: url('https://only.gw.example:8080/') },
    { root: 'GATEWAY_HOST_UNKNOWN', objects: [], ask: url('http://missing.gw.example:8080/') },
    { root: 'GATEWAY_LISTENER_INVALID', objects: [], ask: url('https://only.gw.example:53/') },
    { root: 'GATEWAY_NO_ROUTE', objects: [], ask: url('http://only.gw.example:8080/') },
    { root: 'GATEWAY_CERTIFICATE_UNUSABLE', objects: [], ask: url('https://missing.gw.example/') },
    { root: 'GATEWAY_CERTIFICATE_NOT_GRANTED', objects: [], ask: url('https://ungranted.gw.example/') },
    {
      root: 'GATEWAY_CERTIFICATE_EXPIRED',
      objects: [tlsSecret('gw-expired', expired), route('secure', undefined, { parent: { port: 443 } })],
      ask: url('https://expired.gw.example/'),
    },
    {
      root: 'GATEWAY_CERTIFICATE_HOST',
      objects: [tlsSecret('gw-other', other)],
      ask: url('https://other.gw.example/'),
    },
    ofRoute('ROUTE_PARENT_UNKNOWN', 'orphan', { parent: { name: 'gone' } }),
    ofRoute('ROUTE_LISTENER_UNKNOWN', 'astray', { parent: { sectionName: 'none' } }),
    ofRoute('ROUTE_NOT_ALLOWED', 'stranger', { namespace: 'closed-in' }),
    ofRoute('ROUTE_HOST_MISMATCH', 'mismatch', { parent: { sectionName: 'only' } }),
    {
      root: 'ROUTE_CONFLICT',
      objects: [
        route('a-calls', ['both.gw.example'], {
          kind: 'GRPCRoute',
          rule: { matches: [{ method: { service: 'shop.Cart' } }] },
        }),
        route('b-pages', ['both.gw.example']),
      ],
      ask: url('http://both.gw.example/'),
    },
    ofRoute('ROUTE_NOT_ACCEPTED', 'mirrors', { rule: { filters: [mirror] } }),
    ofRoute('ROUTE_PATH_UNKNOWN', 'paths', { rule: { matches: [path] } }),
    {
      root: 'NET_POLICY_EGRESS_DENIED',
      objects: [],
      ask: { from: 'pod/closed-out/asker', to: 'http://paths.gw.example/api' },
      trace: /closed-out\/nowhere/,
    },
    ofRoute(
      'NET_POLICY_INGRESS_DENIED',
      'guarded',
      to({ name: 'guarded-inside', port: 80 }),
      service('guarded-inside', { selector: { app: 'guarded' }, ports: [{ port: 80, targetPort: 8080 }] }),
    ),
    ofRoute('ROUTE_NO_BACKEND', 'weightless', to({ ...webBackend, weight: 0 })),
    ofRoute('ROUTE_BACKEND_MISSING', 'backends', to({ name: 'webb', port: 80 })),
    ofRoute('ROUTE_BACKEND_PORT', 'ports', to({ name: 'web', port: 8080 })),
    ofRoute('ROUTE_BACKEND_NOT_GRANTED', 'grants', to({ name: 'web', namespace: 'closed-in', port: 80 })),
    ofRoute(
      'ROUTE_BACKEND_UNSUPPORTED',
      'external',
      to({ name: 'external', port: 80 }),
      service('external', { type: 'ExternalName', externalName: 'example.com' }),
    ),
    ofRoute(
      'ROUTE_BACKEND_TLS',
      'named',
      to({ name: 'named', port: 80 }),
      service('named', { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] }),
      {
        apiVersion: `${group}/v1`,
        kind: 'BackendTLSPolicy',
        metadata: { name: 'named', namespace: 'base' },
        spec: {
          targetRefs: [{ group: '', kind: 'Service', name: 'named' }],
          validation: {
            hostname: 'web.example',
            wellKnownCACertificates: 'System',
            subjectAltNames: [{ type: 'Hostname', hostname: 'other.example' }],
          },
        },
      },
    ),
  ];
}
