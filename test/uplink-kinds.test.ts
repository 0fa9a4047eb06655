import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { processesIn } from '../src/kernel/cgroup.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { machineResolvConf } from '../src/machine/resolvers.ts';
import { eventually, requireRoot, startCluster, type TestCluster } from './support/cluster.ts';
import { type Lan, makeLan, tellClients } from './support/outside.ts';

/** The other ways out: the machine's own routing (`nat`), and none. */
const ends: (() => Promise<void>)[] = [];
let lan: Lan;

before(async () => {
  requireRoot();
  lan = await makeLan('nat-lan');
  ends.push(lan.stop, await tellClients(lan.enter, lan.host));
});
after(async () => {
  for (const end of ends.toReversed()) await end();
});

const fetchFrom = (cluster: TestCluster, target: string) =>
  cluster.knit(['exec', target, '--', 'curl', '-s', '-m', '20', `http://${lan.host}:8080/`]);

async function startPod(cluster: TestCluster): Promise<void> {
  await cluster.kubectl(['run', 'web', '--image=knit.dev/lab:1']);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=110s']);
}

/** Whether packets that come in by the test's own link are forwarded. */
const forwarding = () => readFileSync('/proc/sys/net/ipv4/conf/knit-t-nat-lan/forwarding', 'utf8').trim();

const tableThere = async (name: string) => (await tryRun('nft', ['list', 'table', 'ip', name])).code === 0;

test('with --uplink nat this machine forwards and masquerades by one table, which goes with the cluster', async () => {
  const before = forwarding();
  const cluster = await startCluster('t-nat', ['--nodes', '1', '--uplink', 'nat']);
  try {
    await startPod(cluster);
    for (const target of ['node/node-1', 'pod/web'])
      assert.equal(await fetchFrom(cluster, target), `you are ${lan.machine}\n`, target);
    assert.match(await cluster.knit(['status']), /NAT by this machine/);
    assert.equal(await cluster.knit(['exec', 'node/node-1', '--', 'cat', '/etc/resolv.conf']), machineResolvConf());
    assert.equal(await tableThere('knit-t-nat'), true);
    assert.equal(forwarding(), '1');
    await nobodyComesIn(cluster);
  } finally {
    await cluster.down();
  }
  assert.equal(await tableThere('knit-t-nat'), false);
  assert.equal(forwarding(), before);
});

/** The machine forwards answers, not what a neighbour begins. */
async function nobodyComesIn(cluster: TestCluster): Promise<void> {
  const { nodeCIDR } = cluster.config.addresses;
  const [command = '', ...rest] = [...lan.enter];
  await run(command, [...rest, 'ip', 'route', 'replace', nodeCIDR, 'via', lan.machine]);
  const { address } = cluster.config.nodes[0]!;
  const { code } = await tryRun(command, [...rest, 'curl', '-sk', '-m', '1', `https://${address}:10250/healthz`]);
  assert.equal(code, 28);
}

test('after a crash knit down takes the table and the forwarding away, too, once no other cluster has them', async () => {
  const before = forwarding();
  const first = await startCluster('t-nat', ['--nodes', '1', '--uplink', 'nat']);
  const second = await startCluster('t-nat-2', ['--nodes', '1', '--uplink', 'nat']);
  for (const pid of processesIn('knit/t-nat')) process.kill(pid, 'SIGKILL');
  await first.down();
  assert.deepEqual([await tableThere('knit-t-nat'), await tableThere('knit-t-nat-2')], [false, true]);
  assert.equal(await fetchFrom(second, 'node/node-1'), `you are ${lan.machine}\n`);
  await second.down();
  assert.equal(await tableThere('knit-t-nat-2'), false);
  assert.equal(forwarding(), before);
  assert.equal(existsSync('/run/knit/.forwarding/knit-t-nat-lan'), false);
});

test('with --uplink none there is no way out, which is told at once', async () => {
  const cluster = await startCluster('t-noway', ['--nodes', '1', '--uplink', 'none']);
  try {
    assert.match(await cluster.knit(['status']), /no way out/);
    await startPod(cluster);
    for (const target of ['node/node-1', 'pod/web']) {
      await assert.rejects(fetchFrom(cluster, target), /exited with 7/, target);
    }
    await cluster.kubectl(['run', 'pulled', '--image=registry.example.com/app:1']);
    await eventually('the pull to fail', async () =>
      /ErrImagePull|ImagePullBackOff/.test(await cluster.kubectl(['get', 'pod', 'pulled', '--no-headers'])),
    );
    assert.match(await cluster.knit(['exec', 'pod/web', '--', 'getent', 'hosts', 'kubernetes.default']), /^10\./);
    await assert.rejects(cluster.knit(['exec', 'pod/web', '--', 'getent', 'hosts', 'example.com']), /exited with 2/);
  } finally {
    await cluster.down();
  }
});
