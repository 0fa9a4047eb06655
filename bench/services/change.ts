import { setTimeout as delay } from 'node:timers/promises';
import { endpointSlices } from '../../src/api/resource.ts';
import type { EndpointSlice, Service } from '../../src/api/types.ts';
import { createLog } from '../../src/base/log.ts';
import { createClient, httpsTransport } from '../../src/client/index.ts';
import { openNft } from '../../src/kernel/nft.ts';
import { run } from '../../src/kernel/run.ts';
import { planServices } from '../../src/proxy/services.ts';
import { differences, servicesOfNftables, servicesOfPlan } from '../../src/proxy/testing/kernel-services.ts';
import { median } from '../figures.ts';
import { withWorld } from './load.ts';
import { startProxyProcess } from './proxy-process.ts';
import { CLUSTER_CIDR, endpointOf, NODE, NODE_IP, type Size, serviceOf, sliceName } from './world.ts';

const nodeFacts = { name: NODE, addresses: [NODE_IP], podCIDRs: ['10.128.1.0/24'], clusterCIDRs: [CLUSTER_CIDR] };

/** One endpoint changes at a time: from the event at a watch of the API server to the commit in the kernel. */
export async function measureChange(size: Size, count: number): Promise<{ medianMs: number; cpuMs: number }> {
  return await withWorld(size, async (kubeconfig, api) => {
    const proxy = await startProxyProcess(kubeconfig);
    const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
    const client = createClient(transport);
    const nft = openNft({ log: createLog('bench') });
    const ended = new AbortController();
    let committed: (() => void) | undefined;
    const unwatch = nft.onForeignCommit(() => committed?.());
    const events = client.watch(endpointSlices, { signal: ended.signal })[Symbol.asyncIterator]();
    try {
      const times: number[] = [];
      let slice = await client.get(endpointSlices, { namespace: 'bench', name: sliceName(0) });
      let cpu = 0;
      for (let version = 1; version <= count + WARM; version++) {
        if (version === WARM) cpu = proxy.cpuSeconds();
        const commit = new Promise<number>((resolve) => (committed = () => resolve(performance.now())));
        const seen = eventOf(events, `${version}`);
        const endpoints = [endpointOf(size, 0, 0, version), ...(slice.endpoints ?? []).slice(1)];
        const annotations = { version: `${version}` };
        slice = await client.update(endpointSlices, {
          ...slice,
          metadata: { ...slice.metadata, annotations },
          endpoints,
        });
        const took = (await commit) - (await seen);
        if (version > WARM) times.push(took);
        await delay(2); // whatever the change set off is over: changes are measured one at a time
      }
      return { medianMs: median(times), cpuMs: ((proxy.cpuSeconds() - cpu) * 1000) / count };
    } finally {
      ended.abort();
      unwatch();
      await nft.stop();
      await transport.close();
      await proxy.stop();
    }
  });
}

/** Changes before the first that counts: programs get fast by running. */
const WARM = 50;

type Events = AsyncIterator<{ type: string; object: { metadata?: { annotations?: Record<string, string> } } }>;

async function eventOf(events: Events, version: string): Promise<number> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error('the watch ended');
    if (value.object.metadata?.annotations?.version === version) return performance.now();
  }
}

/** Node.js lets a heap grow before it collects; what does not leak also does with a small one. */
const SMALL_HEAP = '--max-old-space-size=40 --max-semi-space-size=2';

export interface Storm {
  readonly perSecond: number;
  readonly wrong: number;
  /** Of the last ten seconds to those after the first ten. */
  readonly memoryRatio: number;
  readonly memoryMiB: number;
}

/** Every endpoint of fifty slices of a hundred changes each second; afterwards the kernel is read back. */
export async function measureStorm(seconds: number): Promise<Storm> {
  const size = { services: 50, endpoints: 100 };
  return await withWorld(size, async (kubeconfig, api) => {
    const proxy = await startProxyProcess(kubeconfig, 'nftables', SMALL_HEAP);
    const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
    const client = createClient(transport);
    try {
      let slices: EndpointSlice[] = [...(await client.list(endpointSlices, { namespace: 'bench' })).items];
      const memory: number[] = [];
      const began = performance.now();
      for (let second = 1; second <= seconds; second++) {
        slices = await Promise.all(
          slices.map((slice, index) => {
            const endpoints = Array.from({ length: size.endpoints }, (_, place) =>
              endpointOf(size, index, place, second),
            );
            return client.update(endpointSlices, { ...slice, endpoints });
          }),
        );
        memory.push(proxy.memoryMiB());
        await delay(Math.max(0, began + second * 1000 - performance.now())); // the rate is what is measured
      }
      const elapsed = (performance.now() - began) / 1000;
      const services: Service[] = Array.from({ length: size.services }, (_, index) => serviceOf(index));
      const planned = servicesOfPlan(planServices(services, slices, nodeFacts));
      return {
        perSecond: (seconds * size.services * size.endpoints) / elapsed,
        wrong: await untilRight(planned),
        memoryRatio: median(memory.slice(-10)) / median(memory.slice(10, 20)),
        memoryMiB: median(memory.slice(-10)),
      };
    } finally {
      await transport.close();
      await proxy.stop();
    }
  });
}

/** How many virtual addresses are not as planned, after at most ten seconds. */
async function untilRight(planned: ReturnType<typeof servicesOfPlan>): Promise<number> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const kernel = servicesOfNftables(await run('nft', ['-j', 'list', 'table', 'ip', 'knit']), 'ipv4');
    const wrong = differences(kernel, planned).filter((line) => !line.includes(' tcp 443:')).length;
    if (wrong === 0 || performance.now() > deadline) return wrong;
    await delay(100);
  }
}
