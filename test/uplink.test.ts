import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ClusterConfig } from '../src/cluster/config.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually, requireRoot } from './support/cluster.ts';
import { startDnsServer, type TestDnsServer } from './support/dns-server.ts';
import { knitCommand, tryKnit } from './support/knit.ts';
import { type Lan, makeLan, startProgram, tellClients } from './support/outside.ts';

/**
 * The way out, in user mode. The cluster stands on a machine as systemd-resolved leaves it: `/etc/resolv.conf` is a
 * link into `/run`, and names a resolver on the loopback that alone knows some names.
 */
const name = 't-uplink';
const resolver = '127.0.0.153';
const scratch = mkdtempSync(join(tmpdir(), 'knit-test-uplink-'));
const ends: (() => Promise<void>)[] = [];
let lan: Lan;
let dns: TestDnsServer;
let machine: readonly string[];
let config: ClusterConfig;

/** `knit` on that machine. */
async function knit(...args: readonly string[]): Promise<string> {
  const [command = '', ...rest] = [...machine, knitCommand, ...args];
  return await run(command, rest, { env: { ...process.env, KNIT_NAME: name }, timeoutMs: 120_000 });
}

const fetchFrom = async (target: string, address: string) =>
  await knit('exec', target, '--', 'curl', '-s', '-m', '20', `http://${address}:8080/`);

before(async () => {
  requireRoot();
  await tryKnit(['down', '--name', name]);
  lan = await makeLan('up-lan');
  ends.push(lan.stop, await tellClients(lan.enter, lan.host));
  dns = await startDnsServer(resolver, { 'printer.office.test': lan.host });
  ends.push(dns.stop);
  machine = await machineWithStubResolver();
  await knit('up', '--nodes', '2', '--no-kubeconfig');
  config = JSON.parse(await knit('status', '-o', 'json')).config;
  await knit('kubectl', 'run', 'web', '--image=knit.dev/lab:1', '--overrides={"spec":{"nodeName":"node-1"}}');
  await knit('kubectl', 'wait', '--for=condition=Ready', 'pod/web', '--timeout=110s');
});
after(async () => {
  if (machine) await knit('down');
  for (const end of ends.toReversed()) await end();
  rmSync(scratch, { recursive: true, force: true });
});

/** A mount namespace in which `/etc/resolv.conf` is what systemd-resolved makes of it. */
async function machineWithStubResolver(): Promise<string[]> {
  const script = join(scratch, 'machine.sh');
  writeFileSync(
    script,
    `set -e
mount -t tmpfs knit-test ${scratch}
mkdir ${scratch}/etc ${scratch}/work
mount -t overlay knit-test -o lowerdir=/etc,upperdir=${scratch}/etc,workdir=${scratch}/work /etc
mkdir /run/${name}-resolve
echo 'nameserver ${resolver}' >/run/${name}-resolve/stub-resolv.conf
ln -sf ../run/${name}-resolve/stub-resolv.conf /etc/resolv.conf
echo $$
trap 'rm -r /run/${name}-resolve; exit 0' TERM
while :; do sleep 1; done
`,
  );
  await tryRun('rm', ['-rf', `/run/${name}-resolve`]);
  const pidFile = join(scratch, '../', `knit-test-uplink-${process.pid}.pid`);
  ends.push(
    await startProgram(
      ['unshare', '--mount', '--propagation=private'],
      ['sh', '-c', `echo $$ >${pidFile}; exec sh ${script}`],
    ),
  );
  const pid = (await run('cat', [pidFile])).trim();
  rmSync(pidFile);
  return ['nsenter', `--mount=/proc/${pid}/ns/mnt`];
}

test('a node and a pod reach a server beside this machine, which sees this machine', async () => {
  for (const target of ['node/node-1', 'node/node-2', 'pod/web'])
    assert.equal(await fetchFrom(target, lan.host), `you are ${lan.machine}\n`, target);
});

test('a container, too, with what it has in it', async () => {
  const answer = await knit('kubectl', 'exec', 'web', '--', 'wget', '-q', '-O-', `http://${lan.host}:8080/`);
  assert.equal(answer, `you are ${lan.machine}\n`);
});

test('this machine itself is reached by its link, and sees the node, for pods too', async () => {
  const { host } = config.addresses.host;
  const end = await tellClients([], host);
  try {
    assert.equal(await fetchFrom('node/node-2', host), `you are ${config.nodes[1]?.address}\n`);
    assert.equal(await fetchFrom('pod/web', host), `you are ${config.nodes[0]?.address}\n`);
  } finally {
    await end();
  }
});

test("a server on this machine's loopback stays its own", async () => {
  const end = await tellClients([], '127.0.0.154');
  try {
    const args = [
      ...machine,
      knitCommand,
      'exec',
      'node/node-1',
      '--',
      'curl',
      '-s',
      '-m',
      '2',
      'http://10.89.254.2:8080/',
    ];
    const { code } = await tryRun(args[0]!, args.slice(1), { env: { ...process.env, KNIT_NAME: name } });
    assert.notEqual(code, 0);
  } finally {
    await end();
  }
});

test("nodes and pods resolve names that only this machine's resolver knows", async () => {
  for (const target of ['node/node-1', 'pod/web']) {
    const found = await knit('exec', target, '--', 'getent', 'hosts', 'printer.office.test');
    assert.match(found, new RegExp(`^${lan.host} +printer\\.office\\.test`), target);
  }
  assert.ok(dns.asked.includes('printer.office.test'));
  assert.match(await fetchFrom('pod/web', 'printer.office.test'), /you are/);
  assert.equal(await knit('exec', 'node/node-1', '--', 'cat', '/etc/resolv.conf'), 'nameserver 10.89.254.3\n');
});

test("names of the cluster are never asked of this machine's resolver", async () => {
  await knit('exec', 'pod/web', '--', 'getent', 'hosts', 'kubernetes.default');
  assert.deepEqual(
    dns.asked.filter((each) => each.endsWith('.cluster.local')),
    [],
  );
});

test("an outside client sees the node's outside address in place of a pod's", async () => {
  const alice = config.clients[0]!;
  ends.push(await tellClients([...machine, knitCommand, 'exec', '--name', name, 'client/alice', '--'], alice.address));
  for (const target of ['pod/web', 'node/node-1'])
    assert.equal(await fetchFrom(target, alice.address), `you are ${config.nodes[0]?.outsideAddress}\n`, target);
  assert.match(config.nodes[0]!.outsideAddress, /^198\.18\.\d+\.11$/);
});

test("without the node's masquerade a pod's packet is dropped by the fabric, which counts it", async () => {
  const { address } = config.clients[0]!;
  const before = await droppedByFabric();
  // What is not tracked is not translated; the rule itself would be back at once, since the agent watches it.
  await knit('exec', 'node/node-1', '--', 'nft', 'add table ip bare');
  await knit('exec', 'node/node-1', '--', 'nft', 'add chain ip bare raw { type filter hook prerouting priority raw; }');
  await knit('exec', 'node/node-1', '--', 'nft', `add rule ip bare raw ip daddr { ${address}, ${lan.host} } notrack`);
  for (const target of [address, lan.host])
    await assert.rejects(knit('exec', 'pod/web', '--', 'curl', '-s', '-m', '1', `http://${target}:8080/`), target);
  const after = await droppedByFabric();
  assert.equal(after.length, 2);
  after.forEach((packets, index) => {
    assert.ok(packets > before[index]!, `counter ${index}: ${before[index]} before, ${packets} after`);
  });
  assert.equal(await fetchFrom('node/node-1', lan.host), `you are ${lan.machine}\n`);
  await knit('exec', 'node/node-1', '--', 'nft', 'delete table ip bare');
  assert.equal(await fetchFrom('pod/web', lan.host), `you are ${lan.machine}\n`);
});

/** Packets that met each of the fabric's rules about pod addresses. */
async function droppedByFabric(): Promise<number[]> {
  const fabric = ['nsenter', `--net=/run/netns/knit-${name}.fabric`];
  const command = [...machine, ...fabric, 'nft', 'list', 'chain', 'ip', 'knit', 'forward'];
  const text = await run(command[0]!, command.slice(1));
  return [...text.matchAll(/counter packets (\d+) .*pod addresses end/g)].map((match) => Number(match[1]));
}

test('the rule that masquerades is put back when somebody deletes it', async () => {
  await knit('exec', 'node/node-1', '--', 'nft', 'delete', 'table', 'ip', 'knit-egress');
  const told = () => knit('exec', 'pod/web', '--', 'curl', '-s', '-m', '1', `http://${lan.host}:8080/`);
  assert.equal(await eventually('the pod to reach the world', told), `you are ${lan.machine}\n`);
});
