import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestApiServer } from '../../src/apiserver/testing.ts';
import { run } from '../../src/kernel/run.ts';
import { type ProxyProcess, startProxyProcess } from './proxy-process.ts';
import { clusterIP, endpointOf, filledStore, NODE_IP, type Size } from './world.ts';

export interface Loaded {
  readonly startMs: number;
  readonly loadMs: number;
  readonly memoryMiB: number;
}

/** An API server that has `size`, and what is done beside it, in the namespace of this process. */
export async function withWorld<T>(size: Size, work: (kubeconfig: string, url: TestServer) => Promise<T>): Promise<T> {
  await run('sh', ['-e'], { input: `ip link set lo up\nip addr replace ${NODE_IP}/32 dev lo\n` });
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const store = await filledStore(size);
  const api = await startTestApiServer({ store, serviceCIDRs: ['10.64.0.0/12'] });
  const kubeconfig = join(folder, 'kubeconfig');
  api.kubeconfig(kubeconfig);
  try {
    return await work(kubeconfig, api);
  } finally {
    await api.stop();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

type TestServer = Awaited<ReturnType<typeof startTestApiServer>>;

/** From the start of the process to the last Service in the kernel. */
export async function measureLoad(size: Size): Promise<Loaded> {
  return await withWorld(size, async (kubeconfig) => {
    const proxy = await startProxyProcess(kubeconfig);
    try {
      return { startMs: proxy.startMs, loadMs: await proxy.loadMs(), memoryMiB: proxy.memoryMiB() };
    } finally {
      await proxy.stop();
    }
  });
}

export type { ProxyProcess };

/** What `nft -f` alone needs for the tables that are in the kernel, written to a file. */
export async function measureFile(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const file = join(folder, 'ruleset.nft');
  try {
    writeFileSync(file, await run('nft', ['list', 'table', 'ip', 'knit'], { timeoutMs: 120_000 }));
    await run('nft', ['delete', 'table', 'ip', 'knit']);
    return await timed(() => run('nft', ['-f', file], { timeoutMs: 300_000 }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same Services as kube-proxy's nftables mode has them: a chain a Service and a chain an endpoint. */
export async function measureChains(size: Size): Promise<number> {
  const lines = [
    'add table ip chains',
    'add map ip chains services { type ipv4_addr . inet_proto . inet_service : verdict; }',
  ];
  const elements: string[] = [];
  for (let index = 0; index < size.services; index++) {
    const service = `service-${index}`;
    const places = Array.from({ length: size.endpoints }, (_, place) => place);
    for (const place of places) lines.push(`add chain ip chains endpoint-${index}-${place}`);
    lines.push(`add chain ip chains ${service}`);
    const targets = places.map((place) => `${place} : goto endpoint-${index}-${place}`);
    lines.push(`add rule ip chains ${service} numgen random mod ${size.endpoints} vmap { ${targets.join(', ')} }`);
    for (const place of places) {
      const [address] = endpointOf(size, index, place).addresses;
      lines.push(`add rule ip chains endpoint-${index}-${place} ip saddr ${address} mark set 0x4000`);
      lines.push(`add rule ip chains endpoint-${index}-${place} meta l4proto tcp dnat to ${address}:8080`);
    }
    elements.push(`${clusterIP(index)} . tcp . 80 : goto ${service}`);
  }
  lines.push(
    'add chain ip chains prerouting { type nat hook prerouting priority -100; }',
    'add rule ip chains prerouting ip daddr . meta l4proto . th dport vmap @services',
    `add element ip chains services { ${elements.join(', ')} }`,
  );
  return await timed(() => run('nft', ['-f', '-'], { input: lines.join('\n'), timeoutMs: 600_000 }));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
