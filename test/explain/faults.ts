import type { FaultCode } from '../../src/trace/explain/catalogue.ts';
import type { ExplainQuestion } from '../../src/trace/explain/explain.ts';

/** A fault as it is made, and what explain must say of it. */
export interface Injected {
  readonly root: FaultCode;
  /** What must be told to follow from it. */
  readonly follows?: FaultCode;
  readonly objects: readonly object[];
  readonly ask: Omit<ExplainQuestion, 'from'> & { readonly from?: string };
  /** What `knit trace` says of the same question. */
  readonly trace?: RegExp;
}

const lab = 'knit.dev/lab:1';
const sleeper = ['sh', '-c', "trap 'exit 0' TERM; sleep 3600 & wait"];

export const namespaceOf = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

interface PodShape {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly container?: object;
  readonly metadata?: object;
  readonly spec?: object;
}

export function pod(name: string, { namespace = 'base', labels, container, metadata, spec }: PodShape = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: labels ?? { app: name }, ...metadata },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: lab, ports: [{ name: 'http', containerPort: 8080 }], ...container }],
      ...spec,
    },
  };
}

export function service(name: string, spec: object = {}, namespace = 'base') {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  };
}

export function policy(name: string, namespace: string, spec: object) {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec };
}

function ingress(
  name: string,
  host: string,
  backend: { name?: string; port?: object; path?: string; spec?: object } = {},
) {
  const { name: to = 'web', port = { number: 80 }, path = '/', spec } = backend;
  const paths = [{ path, pathType: 'Prefix', backend: { service: { name: to, port } } }];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'base' },
    spec: { rules: [{ host, http: { paths } }], ...spec },
  };
}

/** Pods that a policy closes to the proxy. */
export const guarded = { matchLabels: { app: 'guarded' } };

const secret = (name: string, data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/tls',
  metadata: { name, namespace: 'base' },
  data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
});

export interface Certificates {
  readonly expired: { readonly cert: string; readonly key: string };
  readonly other: { readonly cert: string; readonly key: string };
}

/** What all others lean on: a Service that works, who asks, and one pod a node. */
export const base: readonly object[] = [
  namespaceOf('base'),
  namespaceOf('closed-out'),
  namespaceOf('closed-in'),
  namespaceOf('no-names'),
  pod('web', { spec: { nodeName: 'node-2' } }),
  service('web'),
  pod('asker', { spec: { nodeName: 'node-1' } }),
  pod('far', { spec: { nodeName: 'node-2' } }),
];

/** Each by itself, all at once on one cluster: none may be taken for another. `orphan` is an address that no pod has. */
export function faults(orphan: string, { expired, other }: Certificates): readonly Injected[] {
  const target = (name: string, shape: PodShape = {}) => [pod(name, shape), service(name)];
  const asked = (name: string) => ({ to: `service/base/${name}` });
  return [
    { root: 'SVC_NOT_FOUND', objects: [], ask: asked('wbe') },
    { root: 'SVC_PORT_UNKNOWN', objects: [], ask: { to: 'service/base/web:81' } },
    { root: 'SVC_PROTOCOL_MISMATCH', objects: [], ask: { to: 'service/base/web:80', protocol: 'udp' } },
    {
      root: 'SVC_SELECTOR_NO_MATCH',
      follows: 'SVC_NO_ENDPOINTS',
      objects: [service('unmatched', { selector: { app: 'wep' } })],
      ask: asked('unmatched'),
      trace: /rejected|refused/i,
    },
    {
      root: 'SVC_NO_SELECTOR',
      follows: 'SVC_NO_ENDPOINTS',
      objects: [service('bare', { selector: undefined })],
      ask: asked('bare'),
    },
    {
      root: 'SVC_TARGET_PORT_UNNAMED',
      follows: 'SVC_NO_ENDPOINTS',
      objects: [service('misnamed', { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'htpp' }] })],
      ask: asked('misnamed'),
    },
    {
      root: 'SVC_TARGET_PORT_CLOSED',
      objects: [service('shut', { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8081 }] })],
      ask: asked('shut'),
      trace: /base\/web/,
    },
    {
      root: 'SVC_LISTENS_ON_LOOPBACK',
      objects: target('inward', { container: { command: ['httpd', '-f', '-p', '127.0.0.1:8080'] } }),
      ask: asked('inward'),
    },
    {
      root: 'SVC_EXTERNAL_NAME_BROKEN',
      objects: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'alias', namespace: 'base' },
          spec: { type: 'ExternalName', externalName: 'gone.base.svc.cluster.local' },
        },
      ],
      ask: { to: 'alias' },
    },
    {
      root: 'SVC_HEADLESS_PORT',
      objects: [service('headless', { clusterIP: 'None', selector: { app: 'web' } })],
      ask: asked('headless'),
    },
    {
      root: 'SVC_INTERNAL_LOCAL_EMPTY',
      objects: [service('near', { internalTrafficPolicy: 'Local', selector: { app: 'far' } })],
      ask: asked('near'),
      trace: /dropped/i,
    },
    { root: 'SVC_NOT_EXPOSED', objects: [], ask: { from: 'client/alice', to: 'service/base/web' } },
    {
      root: 'SVC_ENDPOINT_NOT_A_POD',
      objects: [
        service('haunted', { selector: undefined }),
        {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { name: 'haunted', namespace: 'base', labels: { 'kubernetes.io/service-name': 'haunted' } },
          addressType: 'IPv4',
          ports: [{ port: 8080 }],
          endpoints: [{ addresses: [orphan] }],
        },
      ],
      ask: asked('haunted'),
    },
    {
      root: 'LB_PENDING',
      objects: [
        service('pending', { type: 'LoadBalancer', loadBalancerClass: 'example.com/other', selector: { app: 'web' } }),
      ],
      ask: { from: 'client/alice', to: 'service/base/pending' },
    },
    {
      root: 'LB_SOURCE_RANGE',
      objects: [
        service('members', {
          type: 'LoadBalancer',
          loadBalancerSourceRanges: ['192.0.2.0/24'],
          selector: { app: 'web' },
        }),
      ],
      ask: { from: 'client/alice', to: 'service/base/members' },
    },
    { root: 'NODE_PORT_UNKNOWN', objects: [], ask: { from: 'client/alice', to: 'node/node-1:32767' } },
    {
      root: 'EXTERNAL_LOCAL_EMPTY',
      objects: [
        service('here', {
          type: 'NodePort',
          externalTrafficPolicy: 'Local',
          selector: { app: 'far' },
          ports: [{ port: 80, targetPort: 8080, nodePort: 32_001 }],
        }),
      ],
      ask: { from: 'client/alice', to: 'node/node-1:32001' },
      trace: /dropped/i,
    },
    { root: 'POD_NOT_FOUND', objects: [], ask: { to: 'pod/base/nobody:80' } },
    {
      root: 'POD_UNSCHEDULABLE',
      follows: 'SVC_NO_ENDPOINTS',
      objects: target('huge', { container: { resources: { requests: { cpu: '1000' } } } }),
      ask: asked('huge'),
    },
    {
      root: 'POD_HOST_PORT_TAKEN',
      objects: [
        pod('host-port-1', {
          labels: { app: 'first' },
          container: { ports: [{ containerPort: 8080, hostPort: 4555 }] },
          spec: { nodeName: 'node-2' },
        }),
        ...target('second', {
          container: { ports: [{ containerPort: 8080, hostPort: 4555 }] },
          spec: { nodeSelector: { 'kubernetes.io/hostname': 'node-2' } },
        }),
      ],
      ask: asked('second'),
    },
    {
      root: 'POD_IMAGE_PULL',
      follows: 'SVC_NO_ENDPOINTS',
      objects: target('pulled', { container: { image: 'knit.invalid/none:1' } }),
      ask: asked('pulled'),
    },
    {
      root: 'POD_CONFIG_MISSING',
      objects: target('unset', { container: { envFrom: [{ configMapRef: { name: 'not-there' } }] } }),
      ask: asked('unset'),
    },
    {
      root: 'POD_CRASH_LOOP',
      objects: target('crashing', { container: { command: ['false'] } }),
      ask: asked('crashing'),
    },
    {
      root: 'POD_OOM_KILLED',
      objects: target('greedy', {
        container: {
          command: ['sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'],
          resources: { limits: { memory: '16Mi' } },
        },
      }),
      ask: asked('greedy'),
    },
    {
      root: 'POD_INIT_STUCK',
      objects: target('waiting', { spec: { initContainers: [{ name: 'first', image: lab, command: sleeper }] } }),
      ask: asked('waiting'),
    },
    {
      root: 'POD_NOT_READY',
      follows: 'SVC_NO_ENDPOINTS',
      objects: target('unready', { container: { readinessProbe: { exec: { command: ['false'] } } } }),
      ask: asked('unready'),
    },
    {
      root: 'POD_READINESS_GATE',
      objects: target('gated', { spec: { readinessGates: [{ conditionType: 'example.com/open' }] } }),
      ask: asked('gated'),
    },
    {
      root: 'POD_TERMINATING',
      objects: target('leaving', { metadata: { finalizers: ['example.com/hold'] } }),
      ask: asked('leaving'),
    },
    {
      root: 'POD_ENDED',
      objects: target('done', { container: { command: ['true'] }, spec: { restartPolicy: 'Never' } }),
      ask: asked('done'),
    },
    {
      root: 'POD_STARTING',
      objects: target('mounting', {
        container: { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
        spec: { volumes: [{ name: 'data', hostPath: { path: '/not-there', type: 'Directory' } }] },
      }),
      ask: asked('mounting'),
    },
    {
      root: 'NET_POLICY_EGRESS_DENIED',
      objects: [
        pod('asker', { namespace: 'closed-out', spec: { nodeName: 'node-1' } }),
        policy('nowhere', 'closed-out', { podSelector: {}, policyTypes: ['Egress'] }),
      ],
      ask: { from: 'pod/closed-out/asker', to: 'service/base/web' },
      trace: /closed-out\/nowhere/,
    },
    {
      root: 'NET_POLICY_INGRESS_DENIED',
      objects: [
        pod('web', { namespace: 'closed-in' }),
        service('web', {}, 'closed-in'),
        policy('friends', 'closed-in', {
          podSelector: { matchLabels: { app: 'web' } },
          ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }] }],
        }),
      ],
      ask: { to: 'service/closed-in/web' },
      trace: /closed-in\/friends/,
    },
    {
      root: 'NET_POLICY_INGRESS_DENIED',
      objects: [
        pod('guarded', { spec: { nodeName: 'node-2' } }),
        service('guarded', { type: 'NodePort' }),
        policy('guard', 'base', {
          podSelector: guarded,
          ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }] }],
        }),
        ingress('guarded', 'guarded.example', { name: 'guarded' }),
      ],
      ask: { from: 'client/alice', to: 'http://guarded.example/' },
      trace: /DROPPED +NetworkPolicy base\/guard/,
    },
    {
      root: 'NET_POLICY_DNS_DENIED',
      objects: [
        pod('asker', { namespace: 'no-names' }),
        policy('only-base', 'no-names', {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [{ to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'base' } } }] }],
        }),
      ],
      ask: { from: 'pod/no-names/asker', to: 'web.base' },
    },
    { root: 'DNS_NAME_UNKNOWN', objects: [], ask: { to: 'web.bases.svc.cluster.local' } },
    {
      root: 'DNS_POLICY_NOT_CLUSTER',
      objects: [pod('own-dns', { spec: { dnsPolicy: 'Default' } })],
      ask: { from: 'pod/base/own-dns', to: 'web.base.svc.cluster.local' },
    },
    {
      root: 'DNS_NDOTS_LOW',
      objects: [pod('low-ndots', { spec: { dnsConfig: { options: [{ name: 'ndots', value: '1' }] } } })],
      ask: { from: 'pod/base/low-ndots', to: 'web.base' },
    },
    { root: 'INGRESS_HOST_UNKNOWN', objects: [], ask: { from: 'client/alice', to: 'http://nobody.example/' } },
    {
      root: 'INGRESS_PATH_UNKNOWN',
      objects: [ingress('paths', 'paths.example', { path: '/api' })],
      ask: { from: 'client/alice', to: 'http://paths.example/other' },
    },
    {
      root: 'INGRESS_CLASS_UNKNOWN',
      objects: [ingress('classes', 'classes.example', { spec: { ingressClassName: 'nginx' } })],
      ask: { from: 'client/alice', to: 'http://classes.example/' },
    },
    {
      root: 'INGRESS_BACKEND_MISSING',
      objects: [ingress('backends', 'backends.example', { name: 'webb' })],
      ask: { from: 'client/alice', to: 'http://backends.example/' },
    },
    {
      root: 'INGRESS_BACKEND_PORT',
      objects: [ingress('ports', 'ports.example', { port: { number: 8080 } })],
      ask: { from: 'client/alice', to: 'http://ports.example/' },
    },
    {
      root: 'INGRESS_SECRET_MISSING',
      objects: [
        ingress('secrets', 'secrets.example', {
          spec: { tls: [{ hosts: ['secrets.example'], secretName: 'not-there' }] },
        }),
      ],
      ask: { from: 'client/alice', to: 'https://secrets.example/' },
    },
    {
      root: 'INGRESS_CERTIFICATE_BROKEN',
      objects: [
        secret('broken', { 'tls.crt': 'nonsense', 'tls.key': 'nonsense' }),
        ingress('broken', 'broken.example', { spec: { tls: [{ hosts: ['broken.example'], secretName: 'broken' }] } }),
      ],
      ask: { from: 'client/alice', to: 'https://broken.example/' },
    },
    {
      root: 'INGRESS_CERTIFICATE_EXPIRED',
      objects: [
        secret('expired', { 'tls.crt': expired.cert, 'tls.key': expired.key }),
        ingress('expired', 'expired.example', {
          spec: { tls: [{ hosts: ['expired.example'], secretName: 'expired' }] },
        }),
      ],
      ask: { from: 'client/alice', to: 'https://expired.example/' },
    },
    {
      root: 'INGRESS_CERTIFICATE_HOST',
      objects: [
        secret('other', { 'tls.crt': other.cert, 'tls.key': other.key }),
        ingress('other', 'mine.example', { spec: { tls: [{ hosts: ['mine.example'], secretName: 'other' }] } }),
      ],
      ask: { from: 'client/alice', to: 'https://mine.example/' },
    },
    {
      root: 'INGRESS_CONFLICT',
      objects: [ingress('a-first', 'taken.example'), ingress('b-second', 'taken.example')],
      ask: { from: 'client/alice', to: 'ingress/base/b-second' },
    },
  ];
}
