import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../types.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from '../testing.ts';
import { service } from './service.ts';

type Spec = NonNullable<Service['spec']>;

const web = (spec: Spec = {}): Service => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
});
const errors = (spec: Spec) => errorsOf(service, web(spec));

test('a small Service becomes what Kubernetes makes of it', () => {
  assert.deepEqual(created(service, web()).spec, {
    selector: { app: 'web' },
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
  });
  const balanced = created(service, web({ type: 'LoadBalancer', sessionAffinity: 'ClientIP' })).spec;
  assert.equal(balanced?.externalTrafficPolicy, 'Cluster');
  assert.equal(balanced?.allocateLoadBalancerNodePorts, true);
  assert.deepEqual(balanced?.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10800 } });
});

test('what was asked for by annotation before there was a field is the policy where the field is left out', () => {
  const annotations = { 'service.beta.kubernetes.io/external-traffic': 'OnlyLocal' };
  const policyOf = (spec: Spec) => {
    const object = web({ type: 'LoadBalancer', ...spec });
    return created(service, { ...object, metadata: { ...object.metadata, annotations } }).spec?.externalTrafficPolicy;
  };
  assert.equal(policyOf({}), 'Local');
  assert.equal(policyOf({ externalTrafficPolicy: 'Cluster' }), 'Cluster');
  assert.equal(policyOf({ type: 'ClusterIP' }), undefined);
});

const wrong: readonly [string, Spec, string][] = [
  ['a family twice', { ipFamilies: ['IPv4', 'IPv4'] }, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'],
  [
    'no policy for families',
    { ipFamilyPolicy: '' },
    'spec.ipFamilyPolicy: Unsupported value: "": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
  ],
  [
    'addresses without the first',
    { clusterIPs: ['10.0.0.1'] },
    'spec.clusterIPs: Invalid value: ["10.0.0.1"]: must be empty when `clusterIP` is not specified',
  ],
  [
    'networks of clients without a load balancer',
    { loadBalancerSourceRanges: ['10.0.0.0/8'] },
    "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
  ],
  [
    'a health check that nobody needs',
    { type: 'LoadBalancer', healthCheckNodePort: 30001 },
    "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
  ],
  [
    'families of a name',
    { type: 'ExternalName', externalName: 'a.b', ipFamilies: ['IPv4'] },
    'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
  ],
  ['no ports', { ports: [] }, 'spec.ports: Required value'],
  [
    'a nearness that nobody knows',
    { trafficDistribution: 'Near' },
    'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
  ],
  [
    'an address of another family than asked for',
    { clusterIP: 'fd00::1', clusterIPs: ['fd00::1'], ipFamilies: ['IPv4'] },
    'spec.clusterIPs[0]: Invalid value: "fd00::1": expected an IPv4 value as indicated by `ipFamilies[0]`',
  ],
  [
    'an unknown type',
    { type: 'Fancy' },
    'spec.type: Unsupported value: "Fancy": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  ['two ports without names', { ports: [{ name: 'a', port: 80 }, { port: 81 }] }, 'spec.ports[1].name: Required value'],
  [
    'a port twice',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 80 },
      ],
    },
    'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
  ],
  [
    'no port',
    { ports: [{ port: 0, targetPort: 1 }] },
    'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
  ],
  [
    'a node port without nodes',
    { ports: [{ port: 80, nodePort: 30080 }] },
    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
  [
    'an external policy inside',
    { externalTrafficPolicy: 'Local' },
    'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
  ],
  ['no external name', { type: 'ExternalName', ports: [] }, 'spec.externalName: Required value'],
  [
    'an address that is none',
    { externalIPs: ['10.0.0'] },
    'spec.externalIPs[0]: Invalid value: "10.0.0": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [
    'a load balancer without an address',
    { type: 'LoadBalancer', clusterIP: 'None' },
    'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for LoadBalancer services',
  ],
];

for (const [what, spec, message] of wrong) {
  test(`refused: ${what}`, () => assert.deepEqual(errors(spec), [message]));
}

test('a Service’s name may begin with a digit', () => {
  assert.equal(service.nameRule?.('1web'), undefined);
  assert.match(service.nameRule?.('Web') ?? '', /RFC 1123 label/);
});

test('a headless Service needs no port', () => assert.deepEqual(errors({ clusterIP: 'None', ports: [] }), []));

const given = () =>
  created(
    service,
    web({ type: 'NodePort', clusterIP: '10.96.0.7', ports: [{ port: 80, nodePort: 30080 }], ipFamilies: ['IPv4'] }),
  );

test('an update that does not name the address and the node port keeps them', () => {
  const old = given();
  const next = web({ type: 'NodePort' });
  service.setDefaults?.(next);
  service.prepareForUpdate?.(next, old);
  assert.equal(next.spec?.clusterIP, '10.96.0.7');
  assert.deepEqual(next.spec?.clusterIPs, ['10.96.0.7']);
  assert.equal(next.spec?.ports?.[0]?.nodePort, 30080);
});

test('an address that was given does not change', () => {
  const change = ({ spec }: Service) => Object.assign(spec!, { clusterIP: '10.96.0.8', clusterIPs: ['10.96.0.8'] });
  assert.deepEqual(updateErrorsOf(service, given(), change), [
    'spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set',
  ]);
});

test('what another type cannot have goes with the change of type', () => {
  const old = given();
  const inside = structuredClone(old);
  inside.spec!.type = 'ClusterIP';
  service.prepareForUpdate?.(inside, old);
  assert.equal(inside.spec?.ports?.[0]?.nodePort, undefined);
  assert.equal(inside.spec?.externalTrafficPolicy, undefined);
  assert.equal(inside.spec?.clusterIP, '10.96.0.7');
  assert.deepEqual(service.validate?.(inside, old), []);
});

test('a row shows where the Service is reached', () => {
  const row = rowOf(service, given());
  assert.deepEqual(
    [row.Type, row['Cluster-IP'], row['External-IP'], row['Port(s)'], row.Selector],
    ['NodePort', '10.96.0.7', '<none>', '80:30080/TCP', 'app=web'],
  );
  const balanced = created(service, web({ type: 'LoadBalancer' }));
  assert.equal(rowOf(service, balanced)['External-IP'], '<pending>');
  balanced.status = { loadBalancer: { ingress: [{ ip: '203.0.113.10' }] } };
  assert.equal(rowOf(service, balanced)['External-IP'], '203.0.113.10');
});

test('the annotation of old for clients’ addresses is followed, with a warning', () => {
  const annotated = (spec: Spec): Service => ({
    ...web(spec),
    metadata: { ...web().metadata, annotations: { 'service.beta.kubernetes.io/external-traffic': 'OnlyLocal' } },
  });
  const asked = annotated({ type: 'LoadBalancer' });
  assert.equal(created(service, asked).spec?.externalTrafficPolicy, 'Local');
  assert.match(
    service.warnings?.(asked).join() ?? '',
    /deprecated since v1\.7; set spec\.externalTrafficPolicy: Local/,
  );
  const contrary = annotated({ type: 'NodePort', externalTrafficPolicy: 'Cluster' });
  assert.match(service.warnings?.(contrary).join() ?? '', /ignored here/);
  assert.equal(created(service, contrary).spec?.externalTrafficPolicy, 'Cluster');
  assert.deepEqual(service.warnings?.(web()), []);
});
