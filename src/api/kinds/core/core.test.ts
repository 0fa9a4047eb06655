import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event, Node } from '../../types.ts';
import { eventsEvent } from '../events.ts';
import { created, errorsOf, rowOf } from '../testing.ts';
import { endpoints } from './endpoints.ts';
import { event } from './event.ts';
import { node } from './node.ts';
import { limitRange, resourceQuota } from './quota.ts';
import { secret } from './secret.ts';
import { persistentVolumeClaim } from './volume.ts';

const named = { metadata: { name: 'x', namespace: 'default' } };

test('stringData of a secret becomes data, and the type Opaque', () => {
  const object = created(secret, { ...named, stringData: { user: 'knit' } });
  assert.deepEqual(object, { ...named, type: 'Opaque', data: { user: Buffer.from('knit').toString('base64') } });
});

test('a secret holds what its type promises', () => {
  assert.deepEqual(errorsOf(secret, { ...named, type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }), [
    'data[tls.key]: Required value',
  ]);
});

test('a node shows readiness, cordon and roles', () => {
  const object: Node = {
    metadata: { name: 'node-1', labels: { 'node-role.kubernetes.io/control-plane': '' } },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '10.89.0.11' }],
    },
  };
  const row = rowOf(node, object);
  assert.deepEqual(
    [row.Status, row.Roles, row['Internal-IP'], row['External-IP']],
    ['Ready,SchedulingDisabled', 'control-plane', '10.89.0.11', '<none>'],
  );
  assert.equal(rowOf(node, { metadata: { name: 'new' } }).Status, 'Unknown');
});

test('a taint is complete and there once', () => {
  const taints = [
    { key: 'a', effect: 'NoSchedule' },
    { key: 'a', effect: 'NoSchedule' },
    { key: 'b', effect: 'Never' },
  ];
  assert.deepEqual(errorsOf(node, { metadata: { name: 'n' }, spec: { taints } }), [
    'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    'metadata.taints[2].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ]);
});

test('endpoints show three addresses and count the rest', () => {
  const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((ip) => ({ ip }));
  const object = created(endpoints, { ...named, subsets: [{ addresses, ports: [{ port: 80 }] }] });
  assert.equal(rowOf(endpoints, object).Endpoints, '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...');
  assert.deepEqual(errorsOf(endpoints, { ...named, subsets: [{ addresses: [{ ip: '127.0.0.1' }] }] }), [
    'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ]);
});

const scheduled: Event = {
  metadata: { name: 'web.1', namespace: 'default' },
  involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' },
  type: 'Normal',
  reason: 'Scheduled',
  message: 'Successfully assigned default/web to node-1\n',
  source: { component: 'scheduler' },
  firstTimestamp: '1970-01-01T00:00:00Z',
  lastTimestamp: '1970-01-01T00:01:00Z',
  count: 2,
};

test('an event shows when, what and why', () => {
  const row = rowOf(event, scheduled, 120_000);
  assert.deepEqual(
    [row['Last Seen'], row.Type, row.Reason, row.Object, row.Message, row['First Seen'], row.Count],
    ['60s', 'Normal', 'Scheduled', 'pod/web', 'Successfully assigned default/web to node-1', '2m', 2],
  );
  assert.equal(event.fieldLabels['involvedObject.name']?.(scheduled), 'web');
});

test('an event reads the same in both of its spellings', () => {
  const { fromStored, toStored } = eventsEvent.storedAs!;
  const newer = fromStored({ apiVersion: 'v1', kind: 'Event', ...scheduled } as Event);
  assert.equal(newer.apiVersion, 'events.k8s.io/v1');
  assert.deepEqual(newer.regarding, scheduled.involvedObject);
  assert.deepEqual(rowOf(eventsEvent, newer, 120_000), rowOf(event, scheduled, 120_000));
  const back = JSON.parse(JSON.stringify(toStored(newer)));
  const more = { apiVersion: 'v1', kind: 'Event', reportingComponent: '', reportingInstance: '' };
  assert.deepEqual(back, { ...scheduled, ...more });
});

test('a claim asks for room', () => {
  assert.deepEqual(errorsOf(persistentVolumeClaim, { ...named, spec: { accessModes: ['ReadWriteOnce'] } }), [
    'spec.resources[storage]: Required value',
  ]);
});

test('a limit range fills its defaults from the maximum', () => {
  const spec = { limits: [{ type: 'Container', max: { cpu: '2' }, defaultRequest: { cpu: '1' } }] };
  assert.deepEqual(created(limitRange, { ...named, spec }).spec?.limits[0], {
    type: 'Container',
    max: { cpu: '2' },
    default: { cpu: '2' },
    defaultRequest: { cpu: '1' },
  });
});

test('a quota shows what is used of what is allowed', () => {
  const status = { hard: { pods: '10', 'limits.cpu': '4' }, used: { pods: '3' } };
  const row = rowOf(resourceQuota, { ...named, status });
  assert.deepEqual([row.Request, row.Limit], ['pods: 3/10', 'limits.cpu: 0/4']);
});
