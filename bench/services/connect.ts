import { connect, createServer } from 'node:net';
import { run } from '../../src/kernel/run.ts';
import type { ProxyMode } from '../../src/proxy/index.ts';
import { median } from '../figures.ts';
import { withWorld } from './load.ts';
import { startProxyProcess } from './proxy-process.ts';
import { clusterIP, endpointOf, type Size } from './world.ts';

const PORT = 8080;

/**
 * What translating adds to opening a connection, in µs: the median through the last Service's address less that of the
 * endpoint's own, by turns.
 */
export async function measureConnect(mode: ProxyMode, size: Size, count: number): Promise<{ addedMicros: number }> {
  return await withWorld(size, async (kubeconfig) => {
    const last = size.services - 1;
    const endpoint = endpointOf(size, last, 0).addresses[0] ?? '';
    await run('ip', ['addr', 'add', `${endpoint}/32`, 'dev', 'lo']);
    await run('ip', ['route', 'add', 'default', 'dev', 'lo']);
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(PORT, endpoint, resolve));
    const proxy = await startProxyProcess(kubeconfig, mode);
    try {
      const through: number[] = [];
      const direct: number[] = [];
      for (let turn = 0; turn < count; turn++) {
        through.push(await openingMicros(clusterIP(last), 80));
        direct.push(await openingMicros(endpoint, PORT));
      }
      return { addedMicros: median(through) - median(direct) };
    } finally {
      await proxy.stop();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}

async function openingMicros(host: string, port: number): Promise<number> {
  const began = performance.now();
  const socket = connect({ host, port });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const took = (performance.now() - began) * 1000;
  socket.resetAndDestroy();
  return took;
}
