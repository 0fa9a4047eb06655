import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Service } from '../src/api/types.ts';
import { addressAt, parseCIDR } from '../src/base/cidr.ts';
import { onLine, startAttached, untilListening } from '../src/kernel/attached.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually, type TestCluster } from './support/cluster.ts';
import { journeys } from './support/journeys.ts';
import { knitCommand } from './support/knit.ts';
import { type TraceOutput, traceOf, wayOf } from './support/tracing.ts';

journeys('nftables', (cluster) => {
  test('nothing of a trace is left, neither after its end nor after SIGKILL', async () => {
    await traceOf(cluster(), 'pod/shop/cart', 'service/shop/web');
    assert.deepEqual(await leftovers(cluster()), []);
    // An address that nobody has answers nothing: the trace waits until it is killed.
    const silent = addressAt(parseCIDR(cluster().config.addresses.loadBalancerCIDR), 20);
    const args = ['trace', '--name', cluster().config.name, 'pod/shop/cart', `${silent}:80`, '--timeout', '60'];
    const child = spawn(knitCommand, args, { stdio: 'ignore' });
    await eventually('the trace to be armed', async () =>
      (await leftovers(cluster())).some((each) => /table/.test(each)),
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    await eventually('nothing to be left', async () => (await leftovers(cluster())).length === 0);
  });

  test('only packets of the flow are traced, also beyond a masquerade', async () => {
    const { name, nodes } = cluster().config;
    const enter = (space: string) => ['nsenter', `--net=/run/netns/knit-${name}.${space}`];
    const lines = new Map(nodes.map((node) => [node.name, [] as string[]]));
    const monitors = nodes.map((node) => startAttached([...enter(node.name), 'nft', '-a', 'monitor', 'trace']));
    const nodePort = (await cluster().get<Service>('service', '-n', 'shop', 'web')).spec?.ports?.[0]?.nodePort;
    const asking = 'while :; do curl -s -m 2 -o /dev/null --local-port 40000-49999 "$0"; done';
    const page = `http://${nodes[0]?.outsideAddress}:${nodePort}/`;
    const others = startAttached([...enter('client.alice'), 'sh', '-c', asking, page]);
    try {
      monitors.forEach((monitor, index) => {
        onLine(monitor, (line) => void (line.includes(' packet: ') && lines.get(nodes[index]?.name ?? '')?.push(line)));
      });
      await Promise.all(monitors.map((monitor) => untilListening(monitor, 'nft monitor')));
      const { stories } = await traceOf(cluster(), 'client/alice', 'service/shop/web', '--count', '5');
      const ours = new Set(stories.flatMap(({ packet, summary }) => [packet.sourcePort, summary.serverSaw?.port]));
      for (const [node, all] of lines) {
        if (stories.some(({ summary }) => summary.nodes.includes(node)))
          await eventually(`the monitor of ${node} to tell`, async () => all.length > 0);
        for (const line of all) {
          const [, from, to] = /tcp sport (\d+) tcp dport (\d+)/.exec(line) ?? [];
          assert.ok(ours.has(Number(from)) || ours.has(Number(to)), `${node}: ${line}`);
        }
      }
    } finally {
      await Promise.all([others, ...monitors].map((each) => each.stop('SIGKILL')));
    }
  });

  describe('followed, not sent', () => {
    const page = async () =>
      `http://${(await cluster().get<Service>('service', '-n', 'shop', 'web')).spec?.clusterIP}/`;
    const quiet = 'curl -s -m 5 -o /dev/null';

    test('connections that one pod makes side by side, each told for itself', async () => {
      const both = `${quiet} ${await page()} & ${quiet} ${await page()} & wait; sleep 0.05`;
      const { stories } = await followed(cluster(), 'pod/shop/cart', both, '--count', '6');
      assert.equal(new Set(stories.map(({ packet }) => packet.sourcePort)).size, 6);
      for (const { end, request, replyIs } of stories) {
        assert.ok(end.kind === 'delivered' && end.place.kind === 'pod');
        assert.match(
          wayOf(request),
          new RegExp(`^pod shop/cart > node-1 > fabric > node-[23] > pod shop/${end.place.name}$`),
        );
        // The first may have begun before anybody looked.
        assert.match(replyIs ?? '', /^(accepted|answered)$/);
      }
    });

    test('a source port that is used again is another connection, with a choice of its own', async () => {
      // The server closes first, so that the client's side of the port is free at once.
      const again = `${quiet} -H 'Connection: close' --local-port 40000 ${await page()}; sleep 0.05`;
      const { stories } = await followed(cluster(), 'pod/shop/cart', again, '--count', '4');
      assert.deepEqual(
        stories.map(({ packet }) => packet.sourcePort),
        [40_000, 40_000, 40_000, 40_000],
      );
      const starts = stories.map((story) => (story as { startedAt?: string }).startedAt);
      assert.deepEqual(starts, [...new Set(starts)].toSorted());
    });

    test('a node is told of as its programs send, once a connection, whatever its own rules make of it', async () => {
      const { stories } = await followed(
        cluster(),
        'node/node-1',
        `${quiet} ${await page()}; sleep 0.05`,
        '--count',
        '2',
      );
      for (const { packet, request } of stories) {
        assert.equal(packet.source, cluster().config.nodes[0]?.address);
        assert.equal(request[0]?.events[1]?.kind, 'dnat');
      }
      const pods = await cluster().get<{ status: { podIP: string } }>('pod', '-n', 'shop', 'web-1');
      const onNode = (text: string) => cluster().knit(['exec', 'node/node-1', '--', 'nft', text]);
      const rule = `ip daddr ${pods.status.podIP} tcp dport 8080 snat to :61000-61999`;
      await onNode(`table ip hand { chain out { type nat hook postrouting priority srcnat - 10; ${rule}; }; }`);
      try {
        const direct = `i=$((i + 1)); ${quiet} --local-port $((41000 + i)) http://${pods.status.podIP}:8080/; sleep 0.05`;
        const hidden = await followed(cluster(), 'node/node-1', direct, '--count', '2');
        assert.equal(new Set(hidden.stories.map(({ packet }) => packet.sourcePort)).size, 2);
        for (const { packet, summary } of hidden.stories) {
          assert.match(`${packet.sourcePort}`, /^41\d\d\d$/);
          assert.match(`${summary.serverSaw?.port}`, /^61\d\d\d$/);
        }
      } finally {
        await onNode('delete table ip hand');
      }
    });

    test('a connection that stands already, from the next thing that is said on it', async () => {
      const url = new URL(await page());
      const enter = [knitCommand, 'exec', '--name', cluster().config.name, 'node/node-1', '--'];
      const holder = join(import.meta.dirname, 'support/keep-asking.ts');
      const kept = startAttached([...enter, process.execPath, holder, url.hostname, '80']);
      try {
        await once(kept.child.stdout!, 'data');
        const { stories } = await traceOf(cluster(), 'node/node-1', 'service/shop/web', '--follow');
        assert.equal(stories[0]?.packet.destination, url.hostname);
        assert.deepEqual(stories[0]?.differences, []);
        assert.equal(stories[0]?.end.kind, 'delivered');
      } finally {
        await kept.stop();
      }
    });
  });

  test('a capture file that tools open, with an interface for each place', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'knit-t-trace-'));
    try {
      const file = join(folder, 'trace.pcapng');
      const args = ['trace', '--name', cluster().config.name, 'pod/shop/cart', 'service/shop/web', '-o', 'pcapng'];
      await run('sh', ['-c', '"$@" >"$0"', file, knitCommand, ...args]);
      const { stdout } = await tryRun('tcpdump', ['-n', '-r', file]);
      assert.match(stdout, /Flags \[S\]/);
      const text = await run('cat', [file]);
      for (const name of ['pod shop/cart eth0', 'node-1 eth0', 'fabric node-1']) assert.ok(text.includes(name), name);
      assert.match(text, /2\. node-1: DNAT .* Service shop\/web:http: endpoint/);
      const comments = text.match(/(\d\. |: (came in|went out))/g) ?? [];
      assert.ok(comments.length >= stdout.trim().split('\n').length, 'a comment on each packet');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** What is told of FROM's connections to the Service or the pod while it makes them in a loop. */
async function followed(cluster: TestCluster, from: string, step: string, ...flags: string[]): Promise<TraceOutput> {
  const to = step.includes(':8080') ? 'pod/shop/web-1' : 'service/shop/web';
  const loop = ['sh', '-c', `while :; do ${step}; done`];
  const sender = startAttached([knitCommand, 'exec', '--name', cluster.config.name, from, '--', ...loop]);
  try {
    // It exits with 2 where kernel and plans differ.
    const { stdout } = await cluster.tryKnit(['trace', from, to, '--follow', '-o', 'json', ...flags]);
    const told: TraceOutput = JSON.parse(stdout);
    if (to.startsWith('service'))
      assert.deepEqual(
        told.stories.flatMap(({ differences }) => differences),
        [],
      );
    return told;
  } finally {
    await sender.stop();
  }
}

/** Tables and processes of traces of this cluster. */
async function leftovers(cluster: TestCluster): Promise<string[]> {
  const prefix = `knit-${cluster.config.name}`;
  const spaces = ['fabric', ...cluster.config.nodes.map(({ name }) => name)];
  const tables = await Promise.all(
    spaces.map(async (space) => {
      const { stdout } = await tryRun('nsenter', [`--net=/run/netns/${prefix}.${space}`, 'nft', 'list', 'tables']);
      return stdout
        .split('\n')
        .filter((line) => line.includes('knit-trace'))
        .map((line) => `${space}: ${line}`);
    }),
  );
  const pids = (await Promise.all(spaces.map((space) => run('ip', ['netns', 'pids', `${prefix}.${space}`]))))
    .join('\n')
    .split('\n')
    .filter(Boolean);
  const commands = pids.length === 0 ? '' : (await tryRun('ps', ['-o', 'args=', '-p', pids.join()])).stdout;
  return [
    ...tables.flat(),
    ...commands.split('\n').filter((line) => /^(tcpdump|conntrack -E|nft -a monitor trace)/.test(line)),
  ];
}
