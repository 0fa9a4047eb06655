import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod, PodSpec } from '../../types.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from '../testing.ts';
import { pod } from './pod.ts';

const web: Container = { name: 'web', image: 'nginx:1.27' };

function podWith(spec: Partial<PodSpec>, container: Partial<Container> = {}): Pod {
  return { metadata: { name: 'web', namespace: 'default' }, spec: { containers: [{ ...web, ...container }], ...spec } };
}

const errors = (spec: Partial<PodSpec>, container: Partial<Container> = {}) => errorsOf(pod, podWith(spec, container));

test('a small pod becomes what Kubernetes makes of it', () => {
  const object = created(pod, podWith({}, { ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } } }));
  assert.deepEqual(object.spec, {
    containers: [
      {
        name: 'web',
        image: 'nginx:1.27',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
        imagePullPolicy: 'IfNotPresent',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
  assert.deepEqual(object.status, { phase: 'Pending', qosClass: 'Burstable' });
});

test('a pod takes at least a second to end', () => {
  const { spec } = created(pod, podWith({ terminationGracePeriodSeconds: -1 }));
  assert.equal(spec?.terminationGracePeriodSeconds, 1);
});

test('probes and volumes are completed', () => {
  const probe = { httpGet: { port: 80 } };
  const object = created(
    pod,
    podWith({ volumes: [{ name: 'a' }, { name: 'b', configMap: { name: 'x' } }] }, { livenessProbe: probe }),
  );
  assert.deepEqual(object.spec?.volumes, [
    { name: 'a', emptyDir: {} },
    { name: 'b', configMap: { name: 'x', defaultMode: 420 } },
  ]);
  assert.deepEqual(object.spec?.containers[0]?.livenessProbe, {
    httpGet: { port: 80, path: '/', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
});

test('an image is pulled always where its name says nothing of its version', () => {
  const policies = {
    nginx: 'Always',
    'nginx:latest': 'Always',
    'r:5000/nginx': 'Always',
    'r:5000/nginx:1': 'IfNotPresent',
  };
  for (const [image, policy] of Object.entries({ ...policies, 'nginx@sha256:0': 'IfNotPresent' })) {
    assert.equal(created(pod, podWith({}, { image })).spec?.containers[0]?.imagePullPolicy, policy, image);
  }
});

test('quality of service follows from what is asked', () => {
  const both = { cpu: '500m', memory: '64Mi' };
  const qos = (resources: Container['resources']) => created(pod, podWith({}, { resources })).status?.qosClass;
  assert.equal(qos(undefined), 'BestEffort');
  assert.equal(qos({ limits: both }), 'Guaranteed');
  assert.equal(qos({ limits: both, requests: { cpu: '0.5' } }), 'Guaranteed');
  assert.equal(qos({ limits: both, requests: { cpu: '100m' } }), 'Burstable');
});

test('what a pod asks for as a whole is completed, and decides on its quality of service', () => {
  const whole = (resources: PodSpec['resources']) => created(pod, podWith({ resources }, { resources: { requests } }));
  const requests = { cpu: '100m' };
  const limits = { cpu: '1', memory: '1Gi' };
  const object = whole({ limits });
  assert.deepEqual(object.spec?.resources, { limits, requests: { cpu: '100m', memory: '1Gi' } });
  assert.equal(object.status?.qosClass, 'Burstable');
  assert.equal(whole({ limits, requests: limits }).status?.qosClass, 'Guaranteed');
});

const wrongPods: readonly [string, Partial<PodSpec>, Partial<Container>, string][] = [
  [
    'a resource that no pod has as a whole',
    { resources: { limits: { 'ephemeral-storage': '1Gi' } } },
    {},
    'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"',
  ],
  [
    'a pod that asks for less than its container',
    { resources: { requests: { cpu: '1' } } },
    { resources: { requests: { cpu: '2' } } },
    'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
  ],
  [
    'a container that may have more than its pod',
    { resources: { limits: { memory: '1Mi' } } },
    { resources: { limits: { memory: '2Mi' }, requests: { memory: '0' } } },
    'spec.resources.containers[0][memory].limits: Invalid value: "2Mi": must be less than or equal to pod limits of 1Mi',
  ],
  ['no containers', { containers: [] }, {}, 'spec.containers: Required value'],
  ['no image', {}, { image: '' }, 'spec.containers[0].image: Required value'],
  ['a container twice', { containers: [web, web] }, {}, 'spec.containers[1].name: Duplicate value: "web"'],
  [
    'an unknown restart policy',
    { restartPolicy: 'Sometimes' },
    {},
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
  ],
  [
    'a mount of no volume',
    {},
    { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
    'spec.containers[0].volumeMounts[0].name: Not found: "data"',
  ],
  [
    'a port out of range',
    {},
    { ports: [{ containerPort: 70000 }] },
    'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
  ],
  [
    'a request above its limit',
    {},
    { resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } },
    'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m',
  ],
  [
    'two ways to probe',
    {},
    { readinessProbe: { exec: { command: ['true'] }, tcpSocket: { port: 80 } } },
    'spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
  ],
  [
    'no way to probe',
    {},
    { livenessProbe: {} },
    'spec.containers[0].livenessProbe: Required value: must specify a handler type',
  ],
  [
    'a value and its source',
    {},
    { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
  ],
  [
    'a volume of two kinds',
    { volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/a' } }] },
    {},
    'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
  ],
  [
    'a toleration without a key',
    { tolerations: [{ operator: 'Equal', value: 'x' }] },
    {},
    'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
  ],
  [
    'DNS of its own, but none said',
    { dnsPolicy: 'None' },
    {},
    'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
  ],
  [
    'a probe of an init container',
    { initContainers: [{ ...web, name: 'init', livenessProbe: { tcpSocket: { port: 1 } } }] },
    {},
    'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
  ],
];

for (const [what, spec, container, message] of wrongPods) {
  test(`refused: ${what}`, () => assert.deepEqual(errors(spec, container), [message]));
}

test('of a pod that is there, the image may change and little else', () => {
  const old = created(pod, podWith({}));
  assert.deepEqual(
    updateErrorsOf(pod, old, ({ spec }) => (spec!.containers[0]!.image = 'nginx:2')),
    [],
  );
  assert.deepEqual(
    updateErrorsOf(pod, old, ({ spec }) => (spec!.tolerations = [{ operator: 'Exists' }])),
    [],
  );
  const [message = ''] = updateErrorsOf(pod, old, ({ spec }) => (spec!.nodeName = 'node-1'));
  assert.match(message, /^spec: Forbidden: pod updates may not change fields other than .*\nchanged: spec\.nodeName$/);
  assert.deepEqual(
    updateErrorsOf(pod, old, ({ spec }) => spec!.containers.push({ ...web, name: 'b' })),
    ['spec.containers: Forbidden: pod updates may not add or remove containers'],
  );
});

test('a binding may set the node', () => {
  const old = created(pod, podWith({}));
  const bound = structuredClone(old);
  bound.spec!.nodeName = 'node-1';
  assert.deepEqual(pod.validate?.(bound, old, 'binding'), []);
});

test('a pod on a node gets time to end, one that never ran or has ended gets none', () => {
  const grace = (object: Pod, asked?: number) => pod.gracePeriodSeconds?.(object, asked);
  const placed = created(pod, podWith({ nodeName: 'node-1' }));
  assert.equal(grace(placed), 30);
  assert.equal(grace(placed, 5), 5);
  assert.equal(grace(placed, 0), 0);
  assert.equal(grace(created(pod, podWith({}))), 0);
  assert.equal(grace({ ...placed, status: { phase: 'Succeeded' } }), 0);
});

test('a row shows where the pod is, how it is and since when', () => {
  const object = created(pod, podWith({ nodeName: 'node-1', readinessGates: [{ conditionType: 'example.com/lb' }] }));
  object.metadata!.creationTimestamp = '1970-01-01T00:00:00Z';
  object.status = { phase: 'Running', podIP: '10.244.1.2', podIPs: [{ ip: '10.244.1.2' }] };
  assert.deepEqual(rowOf(pod, object, 65_000), {
    Name: 'web',
    Ready: '0/1',
    Status: 'Running',
    Restarts: '0',
    Age: '65s',
    IP: '10.244.1.2',
    Node: 'node-1',
    'Nominated Node': '<none>',
    'Readiness Gates': '0/1',
  });
});

test('a variable from a file needs a volume that the pod’s containers write', () => {
  const from = (volumeName: string) => [
    { name: 'A', valueFrom: { fileKeyRef: { volumeName, path: 'a/../b', key: 'A' } } },
  ];
  const volumes = [
    { name: 'own', emptyDir: {} },
    { name: 'map', configMap: { name: 'm' } },
  ];
  const at = 'spec.containers[0].env[0].valueFrom.fileKeyRef';
  const wrongPath = `${at}.path: Invalid value: "a/../b": must not contain '..'`;
  assert.deepEqual(errors({ volumes }, { env: from('own') }), [wrongPath]);
  assert.deepEqual(errors({ volumes }, { env: from('map') }), [
    wrongPath,
    `${at}.volumeName: Invalid value: "map": referenced volume must be of type emptyDir`,
  ]);
  assert.deepEqual(errors({ volumes }, { env: from('none') }), [wrongPath, `${at}.volumeName: Not found: "none"`]);
});

test('a container’s restart rules and a host name that overrides others are checked', () => {
  const rules = [
    { action: 'Restart', exitCodes: { operator: 'In', values: [42] } },
    { action: 'Begin', exitCodes: { operator: 'Like', values: [] } },
    { action: 'RestartAllContainers' },
  ];
  const at = 'spec.containers[0].restartPolicyRules';
  assert.deepEqual(errors({}, { restartPolicyRules: rules }), [
    'spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used',
    `${at}[1].action: Unsupported value: "Begin": supported values: "Restart", "RestartAllContainers"`,
    `${at}[1].exitCodes.operator: Unsupported value: "Like": supported values: "In", "NotIn"`,
    `${at}[2].exitCodes: Required value: must be specified`,
  ]);
  assert.deepEqual(errors({}, { restartPolicy: 'Never', restartPolicyRules: rules.slice(0, 1) }), []);
  assert.deepEqual(errors({ hostnameOverride: 'a.example', hostNetwork: true }), [
    'spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true',
  ]);
});
