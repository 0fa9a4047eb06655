import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceClaim, ResourceSlice } from '../../types.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from '../testing.ts';
import { deviceClass } from './device-class.ts';
import { resourceClaim, resourceClaimTemplate } from './resource-claim.ts';
import { resourceSlice } from './resource-slice.ts';

const metadata = { name: 'gpu', namespace: 'default' };
const claim = (devices: object, status?: ResourceClaim['status']): ResourceClaim => ({
  metadata: { ...metadata },
  spec: { devices },
  ...(status ? { status } : {}),
});
const one = { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }] };
const slice = (spec: object): ResourceSlice => ({
  metadata: { name: 'gpu' },
  spec: { driver: 'gpu.example.com', pool: { name: 'node-1', generation: 1, resourceSliceCount: 1 }, ...spec },
});

test('a request without a mode asks for one device', () => {
  const { requests } = created(resourceClaim, claim(one)).spec.devices ?? {};
  assert.deepEqual(requests?.[0]?.exactly, {
    deviceClassName: 'gpu.example.com',
    allocationMode: 'ExactCount',
    count: 1,
  });
  const template = { metadata: { ...metadata }, spec: { spec: { devices: structuredClone(one) } } };
  assert.equal(created(resourceClaimTemplate, template).spec.spec.devices?.requests?.[0]?.exactly?.count, 1);
});

test('a claim asks in one way, by names that it has', () => {
  const wrong = claim({
    requests: [
      { name: 'a' },
      { name: 'a', exactly: { deviceClassName: '', allocationMode: 'Some' } },
      { name: 'b', firstAvailable: [{ name: 'small', deviceClassName: 'x', allocationMode: 'All', count: 2 }] },
    ],
    constraints: [{ requests: ['b/small', 'c'], matchAttribute: 'model' }],
    config: [{ requests: ['b/large'], opaque: { driver: 'x', parameters: {} } }, {}],
  });
  const reference =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  assert.deepEqual(errorsOf(resourceClaim, wrong), [
    'spec.devices.requests[1].name: Duplicate value: "a"',
    'spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required',
    'spec.devices.requests[1].exactly.deviceClassName: Required value',
    'spec.devices.requests[1].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"',
    "spec.devices.requests[2].firstAvailable[0].count: Invalid value: 2: must not be specified when allocationMode is 'All'",
    `spec.devices.constraints[0].requests[1]: Invalid value: "c": ${reference}`,
    'spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash',
    `spec.devices.config[0].requests[0]: Invalid value: "b/large": ${reference}`,
    'spec.devices.config[1].opaque: Required value',
  ]);
});

test('what is asked for does not change', () => {
  const [changed = ''] = updateErrorsOf(resourceClaim, claim(one), ({ spec }) => {
    spec.devices = {};
  });
  assert.match(changed, /^spec: Invalid value: .*: field is immutable$/);
});

test('a claim shows how far it is', () => {
  const states = [
    claim(one),
    claim(one, { allocation: {} }),
    claim(one, { allocation: {}, reservedFor: [{ resource: 'pods', name: 'web', uid: '1' }] }),
  ];
  assert.deepEqual(
    states.map((each) => rowOf(resourceClaim, each).State),
    ['pending', 'allocated', 'allocated,reserved'],
  );
});

test('a class chooses devices by expressions, and passes parameters to a driver', () => {
  const wrong = { metadata: { name: 'gpu' }, spec: { selectors: [{}, { cel: { expression: '' } }], config: [{}] } };
  assert.deepEqual(errorsOf(deviceClass, wrong), [
    'spec.selectors[0].cel: Required value',
    'spec.selectors[1].cel.expression: Required value',
    'spec.config[0].opaque: Required value',
  ]);
});

test('a slice is somewhere, and its devices have names and typed properties', () => {
  assert.deepEqual(errorsOf(resourceSlice, slice({ nodeName: 'node-1', devices: [{ name: 'gpu-0' }] })), []);
  const where = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  assert.deepEqual(errorsOf(resourceSlice, slice({})), [`spec: Required value: ${where}`]);
  const devices = [
    { name: 'gpu-0', attributes: { driver: { version: '1.0' }, both: { int: 1, bool: true } } },
    { name: 'gpu-0', nodeName: 'node-1' },
  ];
  assert.deepEqual(errorsOf(resourceSlice, slice({ nodeName: 'node-1', allNodes: true, devices })), [
    `spec: Invalid value: "{\`nodeName\`, \`allNodes\`}": ${where}, but multiple fields are set`,
    'spec.devices[1].name: Duplicate value: "gpu-0"',
    'spec.devices[0].attributes[driver].version: Invalid value: "1.0": must be a string compatible with semver.org spec 2.0.0',
    'spec.devices[0].attributes[both]: Invalid value: {"int":1,"bool":true}: exactly one value must be specified',
    'spec.devices[1]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
  ]);
  const moved = updateErrorsOf(resourceSlice, slice({ nodeName: 'node-1' }), ({ spec }) => {
    spec.nodeName = 'node-2';
  });
  assert.deepEqual(moved, ['spec.nodeName: Invalid value: "node-2": field is immutable']);
});
