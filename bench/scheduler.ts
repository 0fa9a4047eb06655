import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hollowLabel } from '../src/api/node-labels.ts';
import { namespaces, nodes, pods, serviceAccounts } from '../src/api/resource.ts';
import type { Pod } from '../src/api/types.ts';
import { startTestApiServer } from '../src/apiserver/testing.ts';
import { createLog } from '../src/base/log.ts';
import { waitFor } from '../src/base/wait.ts';
import { type Client, isAlreadyExists } from '../src/client/client.ts';
import { createClient, createInformers } from '../src/client/index.ts';
import { inProcessTransport } from '../src/cluster/in-process.ts';
import { startHollowNodes } from '../src/kubelet/hollow/index.ts';
import { startScheduler } from '../src/scheduler/scheduler.ts';
import { openSqliteStore } from '../src/store/index.ts';
import type { Benchmark, Figure } from './figures.ts';

const nodeCount = 1000;
const podCount = 10_000;
const writers = 100;
const goal = 1000;

export const scheduler: Benchmark = {
  name: 'scheduler',
  about: `${podCount} pending pods on ${nodeCount} hollow nodes: API server, durable store, scheduler and hollow kubelets in one process, as in a cluster`,
  run: measure,
};

async function measure(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const store = await openSqliteStore(join(folder, 'store.db'));
  const api = await startTestApiServer({ store });
  const client = createClient(inProcessTransport(api.server));
  const log = createLog('bench', () => undefined);
  const informers = createInformers(client, log);
  const hollow = await startHollowNodes({ client, informers, log, count: nodeCount, version: 'v1.36.0' });
  try {
    await waitFor(async () => (await client.list(nodes)).items.length === nodeCount, {
      what: 'the hollow nodes',
      timeoutMs: 60_000,
    });
    await createPods(client);
    const all = informers.informer(pods);
    const until = (what: string, test: (pod: Pod) => boolean) =>
      waitFor(() => all.list().length === podCount && all.list().every(test), { what, timeoutMs: 300_000 });
    await until('the pods', () => true);
    const began = performance.now();
    const cpu = process.cpuUsage();
    const running = await startScheduler({ client, informers, log });
    await until('bindings', ({ spec }) => spec?.nodeName !== undefined);
    const boundMs = performance.now() - began;
    await until('pods to be Running', ({ status }) => status?.phase === 'Running');
    const runningMs = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    await running.stop();
    const rate = podCount / (boundMs / 1000);
    return [
      { what: 'bindings', value: rate, unit: 'a second', goal: `at least ${goal} a second`, met: rate >= goal },
      { what: 'pods bound, and said to run by their kubelets', value: podCount / (runningMs / 1000), unit: 'a second' },
      { what: 'CPU for a pod, all of it', value: (user + system) / 1000 / podCount, unit: 'ms' },
    ];
  } finally {
    await hollow.stop();
    await informers.stop();
    await api.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

async function createPods(client: Client): Promise<void> {
  const namespace = 'default';
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }).catch(there);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
  await client.create(serviceAccounts, account).catch(there);
  const indexes = Array.from({ length: podCount }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (const index of indexes) await client.create(pods, pendingPod(`pod-${index}`, namespace));
    }),
  );
}

/** The test server may have it already. */
function there(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

function pendingPod(name: string, namespace: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'bench' } },
    spec: {
      containers: [{ name: 'main', image: 'bench', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
      tolerations: [{ key: hollowLabel, operator: 'Exists' }],
    },
  };
}
