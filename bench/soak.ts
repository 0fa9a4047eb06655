import { startCluster } from '../test/support/cluster.ts';
import { soak as runSoak } from '../test/support/soak.ts';
import { atMost, type Benchmark, type Figure } from './figures.ts';

const seconds = Number(process.env.SOAK_SECONDS ?? 60);

export const soak: Benchmark = {
  name: 'soak',
  about: `random changes of Services, slices, policies and pods for ${seconds} s in each proxy mode (SOAK_SECONDS=600: longer); then kernel = plan on every node`,
  run: async () => [...(await figuresOf('nftables')), ...(await figuresOf('iptables'))],
};

async function figuresOf(mode: 'nftables' | 'iptables'): Promise<Figure[]> {
  const flags = ['--nodes', '3', '--ip-family', 'dual', '--uplink', 'none', '--proxy-mode', mode];
  const cluster = await startCluster('bench-soak', flags);
  try {
    const seed = Date.now() % 100_000;
    const { operations, refused, wrong } = await runSoak(cluster.config, { seconds, seed, mode });
    if (wrong.length > 0) process.stderr.write(`${wrong.join('\n')}\n`);
    return [
      { what: `${mode}, seed ${seed}: changes`, value: operations, unit: '' },
      { what: '  refused by the API server', value: refused, unit: '' },
      atMost('  differences between kernels and plan', wrong.length, '', 0),
    ];
  } finally {
    await cluster.down();
  }
}
