import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, PodSpec, Volume } from '../../types.ts';
import { pod } from '../core/pod.ts';
import { errorsOf } from '../testing.ts';
import { validatePodTemplate } from './validate.ts';

// What Kubernetes 1.36 says of the same pods.

const web: Container = { name: 'web', image: 'nginx:1.27' };

const errors = (spec: Partial<PodSpec>, container: Partial<Container> = {}) =>
  errorsOf(pod, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { containers: [{ ...web, ...container }], ...spec },
  });

const key =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const ofSpec: readonly [Partial<PodSpec>, ...string[]][] = [
  [{ restartPolicy: '', dnsPolicy: '' }],
  [{ hostname: 'a.b' }, 'hostname: Invalid value: "a.b": must not contain dots'],
  [
    { nodeSelector: { 'a/b/c': 'x' } },
    `nodeSelector: Invalid value: "a/b/c": a valid label key ${key} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
  ],
  [
    { schedulingGates: [{ name: 'a.b/' }] },
    'schedulingGates[0]: Invalid value: "a.b/": name part must be non-empty',
    `schedulingGates[0]: Invalid value: "a.b/": name part ${key}`,
  ],
  [
    { nodeName: 'node-1', schedulingGates: [{ name: 'a' }] },
    'nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
  ],
  [
    { dnsConfig: { searches: ['.', '_sip.a.'], options: [{ value: '2' }] } },
    'dnsConfig.options[0]: Required value: must not be empty',
  ],
  [
    { securityContext: { seccompProfile: { type: 'Localhost' } } },
    'securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
  ],
  [
    { securityContext: { fsGroupChangePolicy: 'Never' } },
    'securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
  ],
  [
    { topologySpreadConstraints: [spread('ScheduleAnyway'), spread('ScheduleAnyway')] },
    'topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
    'topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, ScheduleAnyway}"',
    'topologySpreadConstraints[1].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
  ],
  [{ preemptionPolicy: '' }, 'preemptionPolicy: Required value'],
  [
    { os: { name: 'windows' }, securityContext: { runAsUser: 1 } },
    'securityContext.runAsUser: Forbidden: cannot be set for a windows pod',
  ],
  [
    { dnsConfig: { nameservers: ['10.0.0.010'] } },
    'dnsConfig.nameservers[0]: Invalid value: "10.0.0.010": must not have leading 0s',
  ],
  [{ os: { name: 'plan9' } }, 'os: Unsupported value: "plan9": supported values: "linux", "windows"'],
  [
    { resourceClaims: [{ name: 'gpu' }] },
    'resourceClaims[0]: Invalid value: {"Name":"gpu","ResourceClaimName":null,"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
  ],
  [{ hostUsers: false, hostPID: true }, 'HostPID: Forbidden: when `hostUsers` is false'],
];

for (const [spec, ...messages] of ofSpec) {
  test(`a pod with ${JSON.stringify(spec).slice(0, 90)}`, () =>
    assert.deepEqual(errors(spec), messages.map(within('spec'))));
}

function spread(whenUnsatisfiable: string) {
  return { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable, minDomains: 2 };
}

const ofVolumes: readonly [Partial<Volume>, ...string[]][] = [
  [
    { emptyDir: { sizeLimit: '-1' } },
    'emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity',
  ],
  [
    { secret: { secretName: 's', items: [{ key: 'k', path: '..a' }] } },
    `secret.items[0].path: Invalid value: "..a": must not start with '..'`,
  ],
  [
    { downwardAPI: { items: [{ path: '/a', fieldRef: { fieldPath: 'metadata.name' } }] } },
    'downwardAPI.path: Invalid value: "/a": must be a relative path',
  ],
  [
    { downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath: 'status.phase' } }] } },
    'downwardAPI.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
  ],
  [{ projected: { sources: [{}] } }],
  [
    { projected: { sources: [{ serviceAccountToken: { path: '' } }] } },
    'projected.path: Required value',
    'projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
  ],
  [{ ephemeral: {} }, 'ephemeral.volumeClaimTemplate: Required value'],
  [
    { nfs: { server: '', path: 'p' } },
    'nfs.server: Required value',
    'nfs.path: Invalid value: "p": must be an absolute path',
  ],
  [{ csi: { driver: '' } }, 'csi.driver: Required value'],
  [{ secret: {}, emptyDir: {} }, 'secret: Forbidden: may not specify more than 1 volume type'],
];

for (const [volume, ...messages] of ofVolumes) {
  test(`a volume of ${JSON.stringify(volume)}`, () =>
    assert.deepEqual(errors({ volumes: [{ name: 'v', ...volume }] }), messages.map(within('spec.volumes[0]'))));
}

const ofContainers: readonly [Partial<Container>, ...string[]][] = [
  [{ image: ' ' }, 'image: Invalid value: " ": must not have leading or trailing whitespace'],
  [
    { ports: [{ name: '1-', containerPort: 1 }] },
    'ports[0].name: Invalid value: "1-": must contain at least one letter (a-z)',
    'ports[0].name: Invalid value: "1-": must not begin or end with a hyphen',
  ],
  [
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.host.name' } } }] },
    'env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.host.name": error converting fieldPath: field label not supported: spec.host.name',
  ],
  [
    { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] },
    `env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
  ],
  [{ envFrom: [{}] }, 'envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
  [
    { resources: { limits: { pods: '1' } } },
    'resources.limits[pods]: Invalid value: "pods": must be a standard resource for containers',
    'resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers',
  ],
  [
    { resources: { requests: { cpu: '-1' } } },
    'resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
  ],
  [
    { resources: { limits: { 'example.com/gpu': '1500m', 'hugepages-2Mi': '3Mi' } } },
    'resources.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
    'resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
    'resources.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
    'resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
    'resources: Forbidden: HugePages require cpu or memory',
  ],
  [
    { resources: { claims: [{ name: 'gpu' }] } },
    'resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty',
  ],
  [
    { resizePolicy: [{ resourceName: 'storage', restartPolicy: '' }] },
    'resizePolicy: Unsupported value: "storage": supported values: "cpu", "memory"',
    'resizePolicy: Required value',
  ],
  [
    { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
    'lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)',
  ],
  [
    { volumeDevices: [{ name: 'disk', devicePath: '' }] },
    'volumeDevices[0].name: Not found: "disk"',
    'volumeDevices[0].devicePath: Required value',
  ],
  [
    { securityContext: { procMount: 'Unmasked' } },
    'securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
  ],
];

for (const [container, ...messages] of ofContainers) {
  test(`a container with ${JSON.stringify(container)}`, () =>
    assert.deepEqual(errors({}, container), messages.map(within('spec.containers[0]'))));
}

/** Messages below a field: `within('spec')('os: …')`. */
function within(field: string): (message: string) => string {
  return (message) => `${field}.${message}`;
}

test('a pod without containers is refused, and so is a volume whose claim has no specification', () => {
  const bare = { metadata: { name: 'web', namespace: 'default' } };
  assert.deepEqual(errorsOf(pod, bare), ['spec.containers: Required value']);
  const template = JSON.parse('{ "name": "v", "ephemeral": { "volumeClaimTemplate": {} } }');
  const at = 'spec.volumes[0].ephemeral.volumeClaimTemplate.spec';
  assert.deepEqual(errors({ volumes: [template] }), [
    `${at}.accessModes: Required value: at least 1 access mode is required`,
    `${at}.resources[storage]: Required value`,
  ]);
});

test('a volume that something is wrong with cannot be mounted', () => {
  const volumes = [{ name: 'v', configMap: {} }];
  assert.deepEqual(errors({ volumes }, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }), [
    'spec.volumes[0].configMap.name: Required value',
    'spec.containers[0].volumeMounts[0].name: Not found: "v"',
  ]);
});

test('what a selector is given by the pod’s labels it cannot ask for itself; a template leaves that open', () => {
  const term = { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'web' } }, matchLabelKeys: ['app'] };
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  const metadata = { name: 'web', namespace: 'default', labels: { app: 'web' } };
  const spec = { containers: [web], affinity };
  const at = 'spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0][0]';
  assert.deepEqual(errorsOf(pod, { metadata, spec: structuredClone(spec) }), [
    `${at}: Invalid value: "app": exists in both matchLabelKeys and labelSelector`,
  ]);
  const complete = { ...spec, restartPolicy: 'Always', dnsPolicy: 'ClusterFirst' };
  const container = { ...web, image: ' ', imagePullPolicy: 'Always', terminationMessagePolicy: 'File' };
  assert.deepEqual(validatePodTemplate({ spec: { ...complete, containers: [container] } }, 'template'), []);
});
