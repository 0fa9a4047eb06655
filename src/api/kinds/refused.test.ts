import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../types.ts';
import { builtinKinds } from './index.ts';
import { errorsOf } from './testing.ts';

const container = { name: 'c', image: 'i' };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } };
const selector = { matchLabels: { a: 'b' } };
const ending = { spec: { restartPolicy: 'Never', containers: [container] } };
const indexed = { completionMode: 'Indexed', completions: 4, template: ending };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const volume = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] };
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const backend = { service: { name: 'web', port: { number: 80 } } };

/** A kind, what is written, and what is wrong with it. */
const cases: readonly (readonly [string, KubeObject & Record<string, unknown>, ...string[]])[] = [
  [
    'Deployment',
    { spec: { selector: { matchLabels: { a: '-' } }, template } },
    'spec.selector: Invalid value: {"matchLabels":{"a":"-"}}: invalid label selector',
  ],
  [
    'DaemonSet',
    { spec: { selector, template, updateStrategy: { rollingUpdate: { maxUnavailable: '0%', maxSurge: 0 } } } },
    'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
  ],
  [
    'StatefulSet',
    { spec: { selector, template, ordinals: { start: -1 }, volumeClaimTemplates: [{ metadata: { name: 'd' } }] } },
    'spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0',
    'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
    'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
  ],
  [
    'Job',
    {
      spec: {
        ...indexed,
        podFailurePolicy: { rules: [{ action: 'Count', onExitCodes: { operator: 'In', values: [2, 0] } }] },
      },
    },
    'spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator',
    'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0]: must be ordered',
  ],
  [
    'Job',
    { spec: { ...indexed, successPolicy: { rules: [{ succeededIndexes: '0,2-9' }, {}] } } },
    'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,2-9": error parsing succeededIndexes: too large index: "9"',
    'spec.successPolicy.rules[1]: Required value: at least one of succeededCount or succeededIndexes must be specified',
  ],
  [
    'CronJob',
    { spec: { schedule: '* * * * *', jobTemplate: { spec: { backoffLimitPerIndex: 1, template: ending } } } },
    'spec.jobTemplate.spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
  ],
  [
    'Ingress',
    {
      metadata: { annotations: { 'kubernetes.io/ingress.class': 'a' } },
      spec: { ingressClassName: 'b', defaultBackend: backend },
    },
    'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
  ],
  [
    'Ingress',
    { spec: { defaultBackend: { resource: { kind: 'a/b' } } } },
    'spec.defaultBackend.resource.kind: Invalid value: "a/b": may not contain \'/\'',
    'spec.defaultBackend.resource.name: Required value',
  ],
  [
    'IngressClass',
    { spec: { controller: 'a.b/c', parameters: { kind: 'K', name: 'n', namespace: 'x' } } },
    "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
  ],
  [
    'NetworkPolicy',
    { spec: { ingress: [{ ports: [{ endPort: 9 }], from: [{ ipBlock: { cidr: '10.0.0.5/8' } }] }] } },
    'spec.ingress[0].ports[0].endPort: Invalid value: 9: may not be specified when `port` is not specified',
    'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.5/8": must not have bits set beyond the prefix length',
  ],
  [
    'HorizontalPodAutoscaler',
    {
      spec: {
        scaleTargetRef,
        maxReplicas: 3,
        metrics: [{ type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'Value' } } }],
      },
    },
    'spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue',
  ],
  [
    'HorizontalPodAutoscaler',
    {
      spec: {
        scaleTargetRef,
        maxReplicas: 3,
        behavior: { scaleUp: { policies: [{ type: 'Pods', periodSeconds: 9000 }] } },
      },
    },
    'spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero',
    'spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 9000: must be less than or equal to 1800',
  ],
  [
    'PersistentVolume',
    { spec: { ...volume, csi: { driver: 'd' }, nfs: { server: 's', path: 'p' } } },
    'spec.nfs.path: Invalid value: "p": must be an absolute path',
    'spec.csi: Forbidden: may not specify more than 1 volume type',
  ],
  [
    'PersistentVolume',
    { spec: { ...volume, fc: { targetWWNs: ['a'] }, nodeAffinity: { required: { nodeSelectorTerms: [] } } } },
    'spec.fc.lun: Required value: lun is required if targetWWNs is specified',
    'spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term',
  ],
  [
    'PersistentVolumeClaim',
    {
      spec: {
        ...claim,
        dataSource: { kind: 'PersistentVolumeClaim', name: 'a' },
        dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'b' },
      },
    },
    'spec: Invalid value: {}: must match dataSourceRef',
  ],
  [
    'StorageClass',
    { provisioner: 'p', allowedTopologies: [{ matchLabelExpressions: [{ key: 'k', values: ['a', 'a'] }] }] },
    'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"',
  ],
  [
    'ResourceQuota',
    { spec: { hard: { pods: '1.5', foo: '1', cpu: '1' }, scopes: ['BestEffort'] } },
    'spec.hard[pods]: Invalid value: "1.5": must be an integer',
    'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
    'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
  ],
  [
    'LimitRange',
    { spec: { limits: [{ type: 'Container', max: { cpu: '1' }, min: { cpu: '2' }, default: { cpu: '2' } }] } },
    'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1',
    'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
  ],
  [
    'PriorityClass',
    { value: 1, preemptionPolicy: 'x' },
    'preemptionPolicy: Unsupported value: "x": supported values: "PreemptLowerPriority", "Never"',
  ],
  [
    'Endpoints',
    { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80, appProtocol: '/a' }] }] },
    'subsets[0].ports[0].appProtocol: Invalid value: "/a": prefix part must be non-empty',
  ],
  [
    'EndpointSlice',
    { addressType: 'FQDN', endpoints: [{ addresses: ['a'], hints: { forZones: [{ name: 'z' }, { name: 'z' }] } }] },
    'endpoints[0].addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots',
    'endpoints[0].hints.forZones[1].name: Duplicate value: "z"',
  ],
  [
    'Namespace',
    { spec: { finalizers: ['x'] } },
    'spec.finalizers: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified',
  ],
  [
    'CSIDriver',
    {
      spec: {
        fsGroupPolicy: 'Some',
        tokenRequests: [{ audience: 'a', expirationSeconds: 5 }, { audience: 'a' }],
        volumeLifecycleModes: ['Short'],
        nodeAllocatableUpdatePeriodSeconds: 9,
      },
    },
    'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType"',
    'spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes',
    'spec.tokenRequests[1].audience: Duplicate value: "a"',
    'spec.volumeLifecycleModes: Unsupported value: "Short": supported values: "Persistent", "Ephemeral"',
    'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
  ],
  [
    'CSINode',
    {
      spec: {
        drivers: [
          { name: 'a', nodeID: '', allocatable: { count: -1 } },
          { name: 'a', nodeID: 'n' },
        ],
      },
    },
    'spec.drivers[0].nodeID: Required value',
    'spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0',
    'spec.drivers[1].name: Duplicate value: "a"',
  ],
  [
    'VolumeAttachment',
    { spec: { attacher: 'a', nodeName: 'n', source: {} } },
    'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
  ],
  [
    'VolumeAttachment',
    { spec: { attacher: 'a', nodeName: 'n', source: { inlineVolumeSpec: volume } } },
    'spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes',
    'spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes',
    'spec.source.inlineVolumeSpec: Required value: must specify a volume type',
  ],
  [
    'VolumeAttributesClass',
    { driverName: 'a', parameters: {} },
    'parameters: Required value: must contain at least one key/value pair',
  ],
  [
    'RuntimeClass',
    {
      handler: 'h',
      overhead: { podFixed: { cpu: '-1' } },
      scheduling: { tolerations: [{ key: 'k', tolerationSeconds: 1 }, { key: 'k' }] },
    },
    'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    'scheduling.tolerations[0].effect: Invalid value: "": effect must be \'NoExecute\' when `tolerationSeconds` is set',
    'scheduling.tolerations[1]: Duplicate value: {"Key":"k","Operator":"","Value":"","Effect":"","TolerationSeconds":null}',
  ],
  [
    'CertificateSigningRequest',
    { spec: { request: 'YQ==', signerName: 'a', usages: ['signing', 'signing'] } },
    'spec.request: Invalid value: "YQ==": PEM block type must be CERTIFICATE REQUEST',
    'spec.usages[1]: Duplicate value: "signing"',
    'spec.signerName: Invalid value: "a": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
  ],
  [
    'FlowSchema',
    {
      spec: {
        priorityLevelConfiguration: { name: 'x' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: '' }, group: { name: 'g' } }],
            resourceRules: [{ verbs: ['go'], apiGroups: ['*', 'apps'], resources: ['pods'] }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/a/*/b'] }],
          },
        ],
      },
    },
    'spec.rules[0].subjects[0].user.name: Required value',
    "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
    'spec.rules[0].resourceRules[0].verbs: Unsupported value: ["go"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
    'spec.rules[0].resourceRules[0].apiGroups: Invalid value: ["*","apps"]: if \'*\' is present, must not specify other api groups',
    'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
    'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/a/*/b": wildcard can only do suffix matching',
  ],
  [
    'PriorityLevelConfiguration',
    { spec: { type: 'Exempt' } },
    "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'",
  ],
  [
    'PriorityLevelConfiguration',
    {
      spec: {
        type: 'Limited',
        limited: { limitResponse: { type: 'Queue', queuing: { queues: 1_000_000, handSize: 9, queueLengthLimit: 1 } } },
      },
    },
    'spec.limited.limitResponse.queuing.handSize: Invalid value: 9: required entropy bits of deckSize 1000000 and handSize 9 should not be greater than 60',
  ],
  [
    'ReplicationController',
    { spec: { selector: { a: '-' }, template } },
    'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
  ],
  ['ControllerRevision', { revision: 1 }, 'data: Required value: data is mandatory'],
  [
    'Event',
    {
      involvedObject: { namespace: 'shop' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reason: 'x'.repeat(129),
      action: 'a',
    },
    'reportingComponent: Required value',
    'reportingComponent: Invalid value: "": name part must be non-empty',
    "reportingComponent: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    'reportingInstance: Required value',
    'reason: Invalid value: "": can have at most 128 characters',
  ],
  [
    'ValidatingWebhookConfiguration',
    {
      webhooks: [
        {
          name: 'a.b',
          clientConfig: { url: 'http://a.example.com' },
          rules: [
            { operations: ['GO'], apiGroups: [''], apiVersions: ['v1'], resources: ['*', 'pods'], scope: 'Here' },
          ],
          sideEffects: 'None',
          admissionReviewVersions: ['v2'],
        },
      ],
    },
    'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
    'webhooks[0].rules[0].operations[0]: Unsupported value: "GO": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
    'webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
    'webhooks[0].rules[0].scope: Unsupported value: "Here": supported values: "*", "Cluster", "Namespaced"',
    'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
    'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
  ],
  [
    'ValidatingAdmissionPolicyBinding',
    { spec: { policyName: 'p', validationActions: ['Deny', 'Warn'], paramRef: { name: 'n', selector: {} } } },
    'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
    'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
    'spec.paramRef.parameterNotFoundAction: Required value',
    'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
  ],
  [
    'MutatingAdmissionPolicyBinding',
    {
      spec: {
        policyName: 'p',
        matchResources: {
          resourceRules: [{ operations: ['DELETE'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }],
        },
      },
    },
    'spec.matchResources.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
  ],
  [
    'ValidatingAdmissionPolicy',
    {
      spec: {
        matchConstraints: { resourceRules: [] },
        variables: [{ name: '1a', expression: '1' }],
        validations: [{ expression: 'true', message: 'a\nb', reason: 'Because' }],
        auditAnnotations: [{ key: 'a', valueExpression: '' }],
      },
    },
    'spec.matchConstraints.resourceRules: Required value',
    'spec.variables[0].name: Invalid value: "1a": must be a valid CEL identifier',
    'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
    'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
    'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
  ],
];

test('objects are refused for what Kubernetes refuses, in its words', () => {
  for (const [name, object, ...expected] of cases) {
    const kind = builtinKinds.find((one) => one.kind === name);
    assert.ok(kind, name);
    const scoped = { name: 'n', uid: 'u', ...(kind.namespaced ? { namespace: 'default' } : {}), ...object.metadata };
    const found = errorsOf(kind, structuredClone({ ...object, metadata: scoped }));
    assert.deepEqual(
      found.filter((error) => !error.startsWith('spec.selector.match')),
      expected,
      name,
    );
  }
});
