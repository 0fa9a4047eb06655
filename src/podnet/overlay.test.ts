import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ipBatch } from '../kernel/ip.ts';
import { deleteNetns } from '../kernel/netns.ts';
import { run } from '../kernel/run.ts';
import { type OverlayEnd, planOverlay } from './overlay.ts';
import { applyVxlan, vxlanDevice } from './vxlan.ts';

const netns = `knit-t-overlay-${process.pid}`;
const node = (number: number): OverlayEnd => ({
  at: `10.89.0.1${number}`,
  addresses: [`10.244.${number}.0`, `fd00:10:0:${number}::`],
  networks: [`10.244.${number}.0/24`, `fd00:10:0:${number}::/64`],
});
const proxy: OverlayEnd = { at: '203.0.113.1', addresses: ['10.89.0.2'], networks: [] };
const all = [node(1), node(2), node(3), proxy];
const inside = (command: string, ...args: string[]) => run(command, ['-n', netns, ...args]);

before(() => ipBatch([`netns add ${netns}`]));
after(() => deleteNetns(netns));

test('an end knows all others by what follows from their addresses, and what lies behind each', () => {
  const { peers, mac } = planOverlay(node(1), all);
  assert.equal(mac, '6a:6e:0a:59:00:0b');
  assert.deepEqual(peers[0], {
    at: '10.89.0.12',
    mac: '6a:6e:0a:59:00:0c',
    addresses: ['10.244.2.0', 'fd00:10:0:2::'],
    routes: [
      { to: '10.244.2.0/24', via: '10.244.2.0' },
      { to: 'fd00:10:0:2::/64', via: 'fd00:10:0:2::' },
    ],
  });
  assert.deepEqual(peers[2]?.routes, [{ to: '10.89.0.2/32', via: '10.89.0.2' }]);
});

test('the kernel follows ends that come and go, and the device stays', async () => {
  await applyVxlan(planOverlay(node(1), all), netns);
  const first = await inside('ip', '-o', 'link', 'show', vxlanDevice);
  assert.match(await inside('ip', 'route'), /^10\.244\.3\.0\/24 via 10\.244\.3\.0 dev knit-vxlan onlink/m);
  assert.match(await inside('bridge', 'fdb'), /6a:6e:cb:00:71:01 dev knit-vxlan dst 203\.0\.113\.1 self permanent/);
  await applyVxlan(planOverlay(node(1), all.slice(0, 2)), netns);
  assert.equal(await inside('ip', '-o', 'link', 'show', vxlanDevice), first);
  assert.match(await inside('ip', 'route'), /^10\.244\.2\.0\/24 via 10\.244\.2\.0 dev knit-vxlan onlink \n$/);
  assert.equal(
    (await inside('bridge', 'fdb')).trim(),
    '6a:6e:0a:59:00:0c dev knit-vxlan dst 10.89.0.12 self permanent',
  );
  assert.doesNotMatch(await inside('ip', 'neigh'), /10\.244\.3\.0/);
});

test('an end whose pod network became another one has another address', async () => {
  await applyVxlan(planOverlay({ ...node(1), addresses: ['10.244.9.0'] }, all), netns);
  assert.match(await inside('ip', '-br', 'addr', 'show', 'dev', vxlanDevice), / 10\.244\.9\.0\/32 fe80/);
});

test('between nodes of IPv6 alone tunnels go over IPv6, and leave less room', async () => {
  const six = (number: number): OverlayEnd => ({
    at: `fd00:89::${number}`,
    addresses: [`fd00:10:0:${number}::`],
    networks: [`fd00:10:0:${number}::/64`],
  });
  const plan = planOverlay(six(1), [six(1), six(2)]);
  assert.equal(plan.mtu, 1430);
  assert.notEqual(plan.mac, plan.peers[0]?.mac);
  await applyVxlan(plan, netns);
  assert.equal(
    (await inside('bridge', 'fdb')).trim(),
    `${plan.peers[0]?.mac} dev knit-vxlan dst fd00:89::2 self permanent`,
  );
  const before = await inside('ip', '-o', 'link', 'show', vxlanDevice);
  await applyVxlan(plan, netns);
  assert.equal(await inside('ip', '-o', 'link', 'show', vxlanDevice), before, 'what is right stays');
});
