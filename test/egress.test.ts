import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pod } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import { run } from '../src/kernel/run.ts';
import { labPods, podsReady } from './support/balanced.ts';
import { captured } from './support/capture.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { tellClients } from './support/outside.ts';

const name = 'egress';
let cluster: TestCluster;
let alice: string;
let pod: Pod;
let endServer: () => Promise<void>;

before(async () => {
  cluster = await startCluster(name, ['--nodes', '2', '--uplink', 'none']);
  alice = cluster.config.clients[0]!.address;
  endServer = await tellClients(['nsenter', `--net=/run/netns/knit-${name}.client.alice`], alice);
  await cluster.apply(...labPods('web', ['node-1', 'node-2']));
  pod = (await podsReady(cluster, 'web'))[0]!;
});
after(async () => {
  await endServer?.();
  await cluster?.down();
});

test('a pod leaves under its node’s outside address: the server and the wire outside know no other', async () => {
  let said = '';
  const packets = await captured(cluster, 'client.alice', 'tcp port 8080', async () => {
    said = await fetchAlice(20);
  });
  const node = cluster.config.nodes[0]!;
  assert.match(said, new RegExp(`you are ${node.outsideAddress}`));
  assert.ok(packets.length > 0);
  for (const { source, destination } of packets)
    assert.deepEqual([source, destination].toSorted(), [alice, node.outsideAddress].toSorted());
});

test('a pod that reaches another node, or a pod there, is not masqueraded', async () => {
  const other = (await podsReady(cluster, 'web'))[1]?.status?.podIP;
  const page = await cluster.knit(['exec', 'pod/web-1', '--', 'curl', '-sS', '-m', '20', `http://${other}:8080/`]);
  assert.match(page, new RegExp(`client +${pod.status?.podIP}:`));
});

test('without masquerade the pod’s packet comes as far as the fabric, which drops it', async () => {
  await masqueradeBut(`nonMasqueradeCIDRs: [${alice}/32]`);
  const dropped = await droppedByFabric();
  const outside = await captured(cluster, 'client.alice', 'tcp port 8080', async () => {
    const inside = await captured(cluster, 'fabric', 'tcp port 8080', async () => {
      await assert.rejects(fetchAlice(), /exited with 28/, 'curl: timed out');
    });
    assert.deepEqual([...new Set(inside.map(({ source }) => source))], [pod.status?.podIP]);
  });
  assert.deepEqual(outside, []);
  assert.ok((await droppedByFabric()) > dropped);
});

test('a ConfigMap that cannot be read changes nothing, and one that is gone restores the masquerade', async () => {
  await cluster.apply(configMap('nonMasqueradeCIDRs: nonsense'));
  await assert.rejects(fetchAlice(), /exited with 28/);
  await cluster.kubectl(['-n', 'kube-system', 'delete', 'configmap', 'ip-masq-agent']);
  await eventually('the masquerade to be back', () => fetchAlice());
});

async function fetchAlice(seconds = 2): Promise<string> {
  return await cluster.knit(['exec', 'pod/web-1', '--', 'curl', '-sS', '-m', `${seconds}`, `http://${alice}:8080/`]);
}

/** Returns when the node's rules say it. */
async function masqueradeBut(config: string): Promise<void> {
  await cluster.apply(configMap(config));
  const list = ['exec', 'node/node-1', '--', 'nft', 'list', 'table', 'ip', 'knit-egress'];
  await waitFor(async () => (await cluster.knit(list)).includes(alice), { what: 'the rules', timeoutMs: 30_000 });
}

function configMap(config: string): object {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'kube-system', name: 'ip-masq-agent' },
    data: { config },
  };
}

/** Packets of pods that wanted out. */
async function droppedByFabric(): Promise<number> {
  const rules = await run('ip', [
    'netns',
    'exec',
    `knit-${name}.fabric`,
    'nft',
    'list',
    'chain',
    'ip',
    'knit',
    'forward',
  ]);
  return Number(/oifname "c-\*" counter packets (\d+)/.exec(rules)?.[1]);
}
