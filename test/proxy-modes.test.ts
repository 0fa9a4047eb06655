import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

/** Services as kube-proxy's chains: what people know of iptables holds on the nodes of a live cluster. */
let cluster: TestCluster;
let nodePort: number;

const onNode = (...command: string[]) => cluster.knit(['exec', 'node/node-1', '--', ...command]);
const client = (...command: string[]) => cluster.knit(['exec', 'client/alice', '--', ...command]);

before(async () => {
  cluster = await startCluster('t-proxy-modes', ['--nodes', '2', '--proxy-mode', 'iptables']);
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1', '--replicas=2', '--port=8080']);
  await cluster.kubectl(['expose', 'deployment', 'web', '--port=80', '--target-port=8080', '--type=NodePort']);
  await cluster.kubectl(['rollout', 'status', 'deployment', 'web', '--timeout=110s']);
  const { spec } = await cluster.get<{ spec: { ports: { nodePort: number }[] } }>('service', 'web');
  nodePort = spec.ports[0]?.nodePort ?? 0;
});
after(() => cluster?.down());

const nodeAddress = () => cluster.config.nodes[0]?.outsideAddress ?? '';
const answers = () =>
  eventually('the node port to answer', () =>
    client('curl', '-s', '-m', '2', `http://${nodeAddress()}:${nodePort}/`).catch(() => undefined),
  );

test('the chains have the names that every tutorial shows, and no maps stand beside them', async () => {
  const nat = await eventually('both endpoints', async () => {
    const rules = await onNode('iptables-save', '-t', 'nat');
    return rules.match(/-A KUBE-SVC-LOLE4ISW44XBNF3G .*"default\/web -> /g)?.length === 2 && rules;
  });
  assert.match(nat, /-A KUBE-SERVICES .*"default\/kubernetes:https cluster IP" .* -j KUBE-SVC-NPX46M4PTMTKRN6Y/);
  assert.match(nat, /-A KUBE-NODEPORTS .*"default\/web" .* -j KUBE-EXT-LOLE4ISW44XBNF3G/);
  assert.doesNotMatch(await onNode('nft', 'list', 'tables'), /table ip knit\n/);
});

test('outside clients reach the pods, which see the node and not the client', async () => {
  const clientAddress = cluster.config.clients[0]?.address ?? 'none';
  const answer = await answers();
  assert.match(answer, /^pod +web-/);
  assert.ok(!answer.includes(clientAddress), answer);
});

test('a pod finds the Service by its name', async () => {
  // The pod's node need not be the one that was looked at above.
  const byName = () => cluster.kubectl(['exec', 'deploy/web', '--', 'wget', '-qO-', 'http://web/']);
  assert.match(await eventually('the Service to be found', byName), /^pod +web-/);
});

test('chains that somebody flushes come back, and rules of others stay', async () => {
  await onNode('iptables', '-t', 'nat', '-N', 'DOCKER');
  await onNode('iptables', '-t', 'nat', '-A', 'DOCKER', '-j', 'RETURN');
  for (const chain of ['KUBE-SERVICES', 'KUBE-SVC-LOLE4ISW44XBNF3G', 'KUBE-POSTROUTING']) {
    await onNode('iptables', '-t', 'nat', '-F', chain);
    await eventually(`${chain} to be back`, async () =>
      (await onNode('iptables-save', '-t', 'nat')).includes(`-A ${chain} `),
    );
  }
  await answers();
  assert.match(await onNode('iptables-save', '-t', 'nat'), /-A DOCKER -j RETURN/);
});

test('a Service without endpoints refuses at once', async () => {
  await cluster.kubectl(['create', 'service', 'nodeport', 'empty', '--tcp=80', '--node-port=32080']);
  await eventually('the refusal to be written', async () =>
    (await onNode('iptables-save', '-t', 'filter')).includes('"default/empty:80 has no endpoints"'),
  );
  const refused = client('curl', '-s', '-m', '20', '-w', '%{time_total}', `http://${nodeAddress()}:32080/`);
  await assert.rejects(refused, (error: Error) => /exited with 7/.test(error.message), 'curl: connection refused');
});
