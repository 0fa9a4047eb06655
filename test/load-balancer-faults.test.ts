import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { processesIn } from '../src/kernel/cgroup.ts';
import { run } from '../src/kernel/run.ts';
import {
  balancedService,
  greet,
  type HeldConnections,
  hold,
  labPods,
  podsReady,
  virtualAddress,
} from './support/balanced.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { commandOf } from './support/machine.ts';

const name = 'l4-faults';
const nodes = ['node-1', 'node-2', 'node-3'] as const;
const EXCLUDE = 'node.kubernetes.io/exclude-from-external-load-balancers';
let cluster: TestCluster;
let local: string;
let anyNode: string;

before(async () => {
  cluster = await startCluster(name);
  await cluster.apply(
    ...labPods('web', nodes),
    balancedService('local', 'web', { externalTrafficPolicy: 'Local' }),
    balancedService('cluster', 'web'),
  );
  await podsReady(cluster, 'web');
  local = await virtualAddress(cluster, 'local');
  anyNode = await virtualAddress(cluster, 'cluster');
});
beforeEach(() => everyNodeServes());
after(() => cluster?.down());

test('a node that is excluded keeps its connections and gets no new ones; none moves when it comes back', async () => {
  await using held = await hold(cluster, 'client/alice', local, 24);
  await cluster.kubectl(['label', 'node', 'node-1', `${EXCLUDE}=`]);
  await eventually('the node to get no new ones', async () => !(await nodesOfNew()).has('node-1'));
  await allSpeak(held);
  await cluster.kubectl(['label', 'node', 'node-1', `${EXCLUDE}-`]);
  await everyNodeServes();
  await allSpeak(held);
  assert.ok(held.greetings.some(({ node }) => node === 'node-1'));
});

test('cordoning a node takes it out of nothing', async () => {
  await cluster.kubectl(['cordon', 'node-1']);
  await eventually('the API server to have told', async () => (await cordoned('node-1')) === true);
  await using _held = await hold(cluster, 'client/alice', anyNode, 48);
  assert.equal((await marksInUse()).size, 3);
  await cluster.kubectl(['uncordon', 'node-1']);
});

test('a node whose agent is killed keeps its connections', async () => {
  await using held = await hold(cluster, 'client/alice', local, 24);
  await killed(`nodes/node-2/system`, /agent\.js/);
  await allSpeak(held);
  await everyNodeServes();
  await allSpeak(held);
});

test('while the server is killed and started again connections go on, and new ones are made', async () => {
  await using held = await hold(cluster, 'client/alice', local, 24);
  const rule = await pidOf('server', /server\.js/);
  process.kill(rule, 'SIGKILL');
  assert.equal((await greet(cluster, 'client/alice', local, 12)).length, 12);
  await allSpeak(held);
  await eventually('the server to run again', async () => (await pidOf('server', /server\.js/)) !== rule);
  await everyNodeServes();
  await allSpeak(held);
});

test('rules that somebody deletes are back, and connections are where they were', async () => {
  await using held = await hold(cluster, 'client/alice', local, 12);
  await run('ip', ['netns', 'exec', `knit-${name}.fabric`, 'nft', 'delete', 'table', 'ip', 'knit-lb']);
  await everyNodeServes();
  await allSpeak(held);
});

test('a pod that flaps moves nobody else, and its node comes back with it', async () => {
  await using held = await hold(cluster, 'client/alice', local, 24);
  const others = held.greetings.map(({ node }) => node !== 'node-3');
  for (let flap = 0; flap < 2; flap++) {
    await cluster.kubectl(['delete', 'pod', 'web-3', '--grace-period=0', '--force']);
    await eventually('the node to get no new ones', async () => !(await nodesOfNew()).has('node-3'));
    await cluster.apply(...labPods('web', nodes).slice(2));
    await everyNodeServes();
  }
  const echoes = await held.speak();
  assert.deepEqual(new Set(echoes.filter((_, index) => others[index])), new Set(['echo']));
});

test('a node that dies is out, its connections begin anew elsewhere, and all others stay', async () => {
  await using held = await hold(cluster, 'client/alice', local, 24);
  await run('ip', ['-n', `knit-${name}.node-2`, 'link', 'set', 'eth0', 'down']);
  // Those that are led to it first hear nothing, and their next SYN comes to another.
  const begun = await greet(cluster, 'client/alice', local, 48);
  assert.deepEqual(new Set(begun.map(({ node }) => node)), new Set(['node-1', 'node-3']));
  await cluster.knit(['node', 'stop', 'node-2']);
  await eventually('the node to get no new ones', async () => !(await nodesOfNew()).has('node-2'));
  const echoes = await held.speak();
  for (const [index, { node }] of held.greetings.entries()) {
    if (node !== 'node-2') assert.equal(echoes[index], 'echo', `a connection to ${node}`);
    // Another node, which knows nothing of it, answers with a reset.
    else assert.match(echoes[index] ?? '', /closed|ECONNRESET/);
  }
  await cluster.knit(['node', 'start', 'node-2']);
  await everyNodeServes();
});

async function allSpeak(held: HeldConnections): Promise<void> {
  assert.deepEqual(new Set(await held.speak()), new Set(['echo']));
}

/** Nodes that a handful of new connections come to; those that are refused or wait too long for a greeting count for none. */
async function nodesOfNew(): Promise<Set<string>> {
  const greetings = await greet(cluster, 'client/alice', local, 24);
  return new Set(greetings.map(({ node }) => node));
}

async function everyNodeServes(): Promise<void> {
  await eventually('every node to serve', async () => (await nodesOfNew()).isSupersetOf(new Set(nodes)));
}

/** The marks of nodes that the fabric chose for its connections to `anyNode`. */
async function marksInUse(): Promise<Set<string>> {
  const text = await run('ip', ['netns', 'exec', `knit-${name}.fabric`, 'conntrack', '-L', '-p', 'tcp', '-d', anyNode]);
  return new Set([...text.matchAll(/\bmark=(\d+)/g)].map((match) => match[1] ?? ''));
}

async function cordoned(node: string): Promise<boolean | undefined> {
  return (await cluster.get<{ spec: { unschedulable?: boolean } }>('node', node)).spec.unschedulable;
}

async function pidOf(cgroup: string, command: RegExp): Promise<number> {
  return await eventually(`${command} to run`, async () =>
    processesIn(`knit/${name}/${cgroup}`).find((pid) => command.test(commandOf(pid))),
  );
}

async function killed(cgroup: string, command: RegExp): Promise<void> {
  const pid = await pidOf(cgroup, command);
  process.kill(pid, 'SIGKILL');
  await eventually(`${command} to run again`, async () => (await pidOf(cgroup, command)) !== pid);
}
