import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Pod, Service } from '../../api/types.ts';
import { planSlices } from './slices.ts';

const service: Service = {
  metadata: { name: 'web', namespace: 'default', uid: 's' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
};

const pod = (index: number, port = 80): Pod => ({
  metadata: { name: `p${index}`, namespace: 'default', uid: `uid-${index}` },
  spec: { nodeName: 'n', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }] },
  status: {
    podIPs: [{ ip: `10.0.${index >> 8}.${index & 255}` }],
    conditions: [{ type: 'Ready', status: 'True' }],
  },
});

const pods = (count: number) => Array.from({ length: count }, (_, index) => pod(index));
const zoneOf = () => undefined;
const stored = (slices: readonly EndpointSlice[]): EndpointSlice[] =>
  slices.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `web-${index}`, uid: `slice-${index}` },
  }));

test('no slice has more than 100 endpoints', () => {
  const { create } = planSlices(service, pods(250), [], zoneOf);
  assert.deepEqual(
    create.map((slice) => slice.endpoints?.length),
    [100, 100, 50],
  );
});

test('nothing changed, nothing is written', () => {
  const present = stored(planSlices(service, pods(150), [], zoneOf).create);
  assert.deepEqual(planSlices(service, pods(150), present, zoneOf), { create: [], update: [], remove: [] });
});

test('a new pod takes the place of one that went, in one slice', () => {
  const present = stored(planSlices(service, pods(200), [], zoneOf).create);
  const { create, update, remove } = planSlices(service, [...pods(200).slice(1), pod(200)], present, zoneOf);
  assert.deepEqual([create.length, update.length, remove.length], [0, 1, 0]);
  assert.equal(update[0]?.metadata?.uid, 'slice-0');
});

test('pods of different ports are in different slices', () => {
  const spec = { ...service.spec, ports: [{ port: 80, targetPort: 'http' as never }] };
  const { create } = planSlices({ ...service, spec }, [pod(1, 8080), pod(2, 9090)], [], zoneOf);
  assert.deepEqual(create.map((slice) => slice.ports?.[0]?.port).sort(), [8080, 9090]);
});

test('a slice that is not needed any more is removed, the last one is emptied', () => {
  const present = stored(planSlices(service, pods(150), [], zoneOf).create);
  const fewer = planSlices(service, pods(100), present, zoneOf);
  assert.deepEqual(
    fewer.remove.map((slice) => slice.metadata?.uid),
    ['slice-1'],
  );
});

test('who asks for near endpoints is told for which zone and node each one is; others are not', () => {
  const hints = (trafficDistribution: string | undefined, members: Pod[]) => {
    const near = { ...service, spec: { ...service.spec, trafficDistribution } };
    return planSlices(near, members, [], () => 'a').create[0]?.endpoints?.map((endpoint) => endpoint.hints);
  };
  const forZones = [{ name: 'a' }];
  const unready = { ...pod(2), status: { ...pod(2).status, conditions: [{ type: 'Ready', status: 'False' }] } };
  assert.deepEqual(hints(undefined, [pod(1)]), [undefined]);
  assert.deepEqual(hints('PreferClose', [pod(1), unready]), [{ forZones }, undefined]);
  assert.deepEqual(hints('PreferSameNode', [pod(1)]), [{ forNodes: [{ name: 'n' }], forZones }]);
});
