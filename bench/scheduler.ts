import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hollowLabel } from '../src/api/node-labels.ts';
import { namespaces, nodes, pods, replicaSets, serviceAccounts } from '../src/api/resource.ts';
import type { Pod, ReplicaSet } from '../src/api/types.ts';
import { startTestApiServer } from '../src/apiserver/testing.ts';
import { createLog } from '../src/base/log.ts';
import { waitFor } from '../src/base/wait.ts';
import { type Client, isAlreadyExists } from '../src/client/client.ts';
import { createClient, createInformers } from '../src/client/index.ts';
import type { InformerFactory } from '../src/client/informer.ts';
import { inProcessTransport } from '../src/cluster/in-process.ts';
import { startHollowNodes } from '../src/kubelet/hollow/index.ts';
import { startScheduler } from '../src/scheduler/scheduler.ts';
import { openSqliteStore } from '../src/store/index.ts';
import type { Benchmark, Figure } from './figures.ts';

const nodeCount = 1000;
const podCount = 10_000;
const writers = 100;
const goal = 1000;
const name = 'bench';
const labels = { app: name };

export const scheduler: Benchmark = {
  name: 'scheduler',
  about: `${podCount} pending pods on ${nodeCount} hollow nodes: API server, durable store, scheduler and hollow kubelets in one process, as in a cluster`,
  run: async () => [...(await measure(false)), ...(await measure(true))],
};

/** `replicas`: the pods are one ReplicaSet's, which the scheduler spreads over the nodes. */
async function measure(replicas: boolean): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const store = await openSqliteStore(join(folder, 'store.db'));
  const api = await startTestApiServer({ store });
  const client = createClient(inProcessTransport(api.server));
  const log = createLog('bench', () => undefined);
  const informers = createInformers(client, log);
  const hollow = await startHollowNodes({
    client,
    informers,
    log,
    count: nodeCount,
    version: 'v1.36.0',
    families: ['ipv4'],
  });
  try {
    await waitFor(async () => (await client.list(nodes)).items.length === nodeCount, {
      what: 'the hollow nodes',
      timeoutMs: 60_000,
    });
    await createPods(client, replicas);
    const seen = countPods(informers);
    const until = (what: string, state: keyof typeof seen) =>
      waitFor(() => seen[state].size === podCount, { what, timeoutMs: 300_000 });
    await until('the pods', 'there');
    const began = performance.now();
    const cpu = process.cpuUsage();
    const running = await startScheduler({ client, informers, log });
    await until('bindings', 'bound');
    const boundMs = performance.now() - began;
    await until('pods to be Running', 'running');
    const runningMs = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    await running.stop();
    const of = replicas ? ' of one ReplicaSet' : '';
    const rate = podCount / (boundMs / 1000);
    return [
      { what: `bindings${of}`, value: rate, unit: 'a second', goal: `at least ${goal} a second`, met: rate >= goal },
      {
        what: `pods bound${of}, and said to run by their kubelets`,
        value: podCount / (runningMs / 1000),
        unit: 'a second',
      },
      { what: `CPU for a pod${of}, all of it`, value: (user + system) / 1000 / podCount, unit: 'ms' },
    ];
  } finally {
    await hollow.stop();
    await informers.stop();
    await api.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

/** Pods by how far they have come, kept by their events: asking all of them again and again would be measured too. */
function countPods(informers: InformerFactory) {
  const seen = { there: new Set<string>(), bound: new Set<string>(), running: new Set<string>() };
  informers.informer(pods).onChange((pod) => {
    const uid = pod?.metadata?.uid;
    if (uid === undefined) return;
    seen.there.add(uid);
    if (pod?.spec?.nodeName !== undefined) seen.bound.add(uid);
    if (pod?.status?.phase === 'Running') seen.running.add(uid);
  });
  return seen;
}

async function createPods(client: Client, replicas: boolean): Promise<void> {
  const namespace = 'default';
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }).catch(there);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
  await client.create(serviceAccounts, account).catch(there);
  const set = replicas ? await client.create(replicaSets, replicaSet(namespace)) : undefined;
  const ownerReferences = set && [
    { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: set.metadata?.uid ?? '', controller: true },
  ];
  const indexes = Array.from({ length: podCount }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (const index of indexes)
        await client.create(pods, pendingPod({ name: `pod-${index}`, namespace, ownerReferences }));
    }),
  );
}

/** The test server may have it already. */
function there(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

/** No controller runs here: it is there for its selector. */
function replicaSet(namespace: string): ReplicaSet {
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: name }] } };
  return { metadata: { name, namespace }, spec: { replicas: podCount, selector: { matchLabels: labels }, template } };
}

function pendingPod(metadata: NonNullable<Pod['metadata']>): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, labels },
    spec: {
      containers: [{ name: 'main', image: 'bench', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
      tolerations: [{ key: hollowLabel, operator: 'Exists' }],
    },
  };
}
