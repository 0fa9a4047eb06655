import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Service } from '../src/api/types.ts';
import { addressAt, parseCIDR } from '../src/base/cidr.ts';
import { onLine, startAttached, untilListening } from '../src/kernel/attached.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually, type TestCluster } from './support/cluster.ts';
import { journeys } from './support/journeys.ts';
import { knitCommand } from './support/knit.ts';
import { traceOf } from './support/tracing.ts';

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
        if (stories.some(({ summary }) => summary.nodes.includes(node))) assert.ok(all.length > 0, node);
        for (const line of all) {
          const [, from, to] = /tcp sport (\d+) tcp dport (\d+)/.exec(line) ?? [];
          assert.ok(ours.has(Number(from)) || ours.has(Number(to)), `${node}: ${line}`);
        }
      }
    } finally {
      await Promise.all([others, ...monitors].map((each) => each.stop('SIGKILL')));
    }
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
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

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
