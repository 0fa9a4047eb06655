import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { machineState } from './support/machine.ts';

/** Two clusters side by side on one machine. */
let left: TestCluster;
let right: TestCluster;
let pristine: string[];

/** What the machine has of the right one alone. */
const ofRight = async () => (await machineState('t-side-right')).filter((line) => line.includes('t-side-right'));

before(async () => {
  pristine = await ofRight();
  left = await startCluster('t-side-left', ['--nodes', '1', '--uplink', 'none']);
  right = await startCluster('t-side-right', ['--nodes', '1', '--uplink', 'none']);
});
after(async () => {
  await left?.down();
  await right?.down();
});

async function serve(cluster: TestCluster): Promise<string> {
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1']);
  await cluster.kubectl(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  return await cluster.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
}

const ask = (cluster: TestCluster, address: string) =>
  cluster.knit(['exec', 'node/node-1', '--', 'curl', '-s', '-m', '2', `http://${address}/`]);
const answers = (cluster: TestCluster, address: string) =>
  eventually('the Service to answer', async () => /^pod +web-/.test(await ask(cluster, address)));

test('clusters side by side have no address in common', () => {
  const a = Object.values(left.config.addresses).filter((each) => each !== left.config.addresses.uplinkCIDR);
  const b = JSON.stringify(right.config.addresses);
  for (const each of a) assert.equal(b.includes(JSON.stringify(each)), false, JSON.stringify(each));
  assert.notEqual(left.config.apiPort, right.config.apiPort);
});

test('each reaches its own Services, not those of the other; the end of one leaves the other as it is', async () => {
  const leftService = await serve(left);
  const rightService = await serve(right);
  await answers(left, leftService);
  await answers(right, rightService);
  await assert.rejects(ask(left, rightService));
  await assert.rejects(ask(right, leftService));
  assert.match(await left.knit(['status']), /Other clusters here: .*t-side-right/);
  await right.down();
  assert.deepEqual(await ofRight(), pristine);
  await answers(left, leftService);
  assert.equal(await left.kubectl(['get', 'nodes', '--no-headers', '-o', 'name']), 'node/node-1\n');
});
