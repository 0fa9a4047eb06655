import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Pod, Service } from '../../api/types.ts';
import { planSlices, type Zones } from './slices.ts';

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
const zones: Zones = { of: () => undefined, shares: undefined };
const stored = (slices: readonly EndpointSlice[]): EndpointSlice[] =>
  slices.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `web-${index}`, uid: `slice-${index}` },
  }));

test('no slice has more than 100 endpoints', () => {
  const { create } = planSlices(service, pods(250), [], zones);
  assert.deepEqual(
    create.map((slice) => slice.endpoints?.length),
    [100, 100, 50],
  );
});

test('nothing changed, nothing is written', () => {
  const present = stored(planSlices(service, pods(150), [], zones).create);
  assert.deepEqual(planSlices(service, pods(150), present, zones), { create: [], update: [], remove: [], zoned: [] });
});

test('a new pod takes the place of one that went, in one slice', () => {
  const present = stored(planSlices(service, pods(200), [], zones).create);
  const { create, update, remove } = planSlices(service, [...pods(200).slice(1), pod(200)], present, zones);
  assert.deepEqual([create.length, update.length, remove.length], [0, 1, 0]);
  assert.equal(update[0]?.metadata?.uid, 'slice-0');
});

test('pods of different ports are in different slices', () => {
  const spec = { ...service.spec, ports: [{ port: 80, targetPort: 'http' as never }] };
  const { create } = planSlices({ ...service, spec }, [pod(1, 8080), pod(2, 9090)], [], zones);
  assert.deepEqual(create.map((slice) => slice.ports?.[0]?.port).sort(), [8080, 9090]);
});

test('a slice that is not needed any more is removed, the last one is emptied', () => {
  const present = stored(planSlices(service, pods(150), [], zones).create);
  const fewer = planSlices(service, pods(100), present, zones);
  assert.deepEqual(
    fewer.remove.map((slice) => slice.metadata?.uid),
    ['slice-1'],
  );
});

test('who asks for near endpoints is told for which zone and node each one is; others are not', () => {
  const hints = (trafficDistribution: string | undefined, members: Pod[]) => {
    const near = { ...service, spec: { ...service.spec, trafficDistribution } };
    return planSlices(near, members, [], { ...zones, of: () => 'a' }).create[0]?.endpoints?.map(
      (endpoint) => endpoint.hints,
    );
  };
  const forZones = [{ name: 'a' }];
  const unready = { ...pod(2), status: { ...pod(2).status, conditions: [{ type: 'Ready', status: 'False' }] } };
  assert.deepEqual(hints(undefined, [pod(1)]), [undefined]);
  assert.deepEqual(hints('PreferClose', [pod(1), unready]), [{ forZones }, undefined]);
  assert.deepEqual(hints('PreferSameNode', [pod(1)]), [{ forNodes: [{ name: 'n' }], forZones }]);
});

const inNode = (pod: Pod | undefined, nodeName: string): Pod => ({
  ...pod,
  spec: { containers: [], ...pod?.spec, nodeName },
});

test('topology mode Auto deals endpoints out to zones by their CPU, and keeps what does', () => {
  const metadata = { ...service.metadata, annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } };
  const near = { ...service, metadata, spec: { ...service.spec, trafficDistribution: 'PreferClose' } };
  const shares = new Map([
    ['a', 0.5],
    ['b', 0.5],
  ]);
  // Five pods in a, one in b, where half of the CPU is.
  const members = pods(6).map((each, index) => {
    return inNode(each, index < 5 ? 'in-a' : 'in-b');
  });
  const inZones: Zones = { of: (node) => node.slice(3), shares };
  const zonesOf = (slices: readonly EndpointSlice[]) =>
    slices.flatMap(({ endpoints }) => endpoints ?? []).map(({ hints }) => hints?.forZones?.[0]?.name ?? '');
  const first = planSlices(near, members, [], inZones);
  assert.deepEqual(zonesOf(first.create).sort(), ['a', 'a', 'a', 'b', 'b', 'b']);
  assert.deepEqual(first.zoned, [{ family: 'IPv4', before: false }]);
  const present = stored(first.create);
  assert.deepEqual(planSlices(near, members, present, inZones).update, []);
  const fewer = planSlices(near, members.slice(4), present, inZones);
  assert.deepEqual(zonesOf(fewer.update), ['a', 'b']);

  const zoneByPod = (slices: readonly EndpointSlice[]) =>
    new Map(
      slices
        .flatMap(({ endpoints }) => endpoints ?? [])
        .map(({ targetRef, hints }) => [targetRef?.name, hints?.forZones?.[0]?.name]),
    );
  // One more in b, where two of a's were dealt to: still within the bounds, so nobody moves.
  const [seventh] = pods(7).slice(6);
  const more = planSlices(near, [inNode(seventh, 'in-b'), ...members], present, inZones);
  const [before, after] = [zoneByPod(present), zoneByPod(more.update)];
  assert.equal(after.get(seventh?.metadata?.name), 'b');
  for (const [name, zone] of before) assert.equal(after.get(name), zone, name);
  // One of those that are dealt to b is gone: b has fewer than it must have, and one more goes there.
  const lent = members.find((each) => each.spec?.nodeName === 'in-a' && before.get(each.metadata?.name) === 'b');
  const without = planSlices(
    near,
    members.filter((each) => each !== lent && each !== members[5]),
    present,
    inZones,
  );
  const moved = [...zoneByPod(without.update)].filter(([name, zone]) => before.get(name) !== zone);
  assert.equal(moved.length, 1);
  assert.equal(moved[0]?.[1], 'b');

  const why = (...args: Parameters<typeof planSlices>) => {
    const { zoned, create } = planSlices(...args);
    assert.deepEqual(new Set(zonesOf(create)), new Set(['']));
    return zoned[0]?.why;
  };
  assert.match(
    why(near, members.slice(5), [], inZones) ?? '',
    /^Insufficient number of endpoints \(1 endpoints, 2 zones\)/,
  );
  assert.match(why(near, members, [], { ...inZones, shares: undefined }) ?? '', /^Insufficient Node information/);
  assert.match(why(near, members, [], { ...inZones, of: () => undefined }) ?? '', /do not have a zone/);
  const uneven = new Map([
    ['a', 0.9],
    ['b', 0.1],
  ]);
  assert.match(why(near, members.slice(4), [], { ...inZones, shares: uneven }) ?? '', /without exceeding overload/);
});
