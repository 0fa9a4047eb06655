import { deployments, pods as podResource } from '../src/api/resource.ts';
import type { Container, Deployment, Service } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import type { Client } from '../src/client/client.ts';
import { adminClient } from '../src/cluster/ready.ts';
import { startCluster, type TestCluster } from '../test/support/cluster.ts';
import { startLoad } from '../test/support/shop.ts';
import { atMost, type Benchmark, type Figure } from './figures.ts';
import { containerdAlone } from './pods/containerd-alone.ts';

const nodeCount = 3;
const podCount = 100;
const rolledCount = 50;
const goal = 0.7;
const image = 'knit.dev/lab:1';
const asked = { pods: podCount, image };

export const pods: Benchmark = {
  name: 'pods',
  about: `a Deployment from 0 to ${podCount} pods on ${nodeCount} nodes, against what their containerds do alone in the same run`,
  run: measure,
};

async function measure(): Promise<Figure[]> {
  const cluster = await startCluster('bench-pods', ['--nodes', String(nodeCount), '--uplink', 'none']);
  try {
    const { client, close } = adminClient(cluster.config);
    // The first pods of a node read its programs from the disk.
    await scaleUp(client, 6);
    const alone = [await containerdAlone(cluster, asked)];
    const knit = [await scaleUp(client, podCount), await scaleUp(client, podCount)];
    alone.push(await containerdAlone(cluster, asked));
    const update = await rollUnderLoad(cluster, client);
    await close();
    const limit = podCount / Math.min(...alone);
    const rate = podCount / Math.min(...knit);
    const ratio = rate / limit;
    return [
      { what: 'containerd alone: sandboxes with a running container', value: limit, unit: 'a second' },
      {
        what: 'kubectl scale: pods Ready',
        value: rate,
        unit: 'a second',
        against: 'containerd alone',
        ratio,
        goal: `at least ${goal}`,
        met: ratio >= goal,
      },
      { what: `rolling update of ${rolledCount} pods under load`, value: update.seconds, unit: 's' },
      { what: '  requests through the Service', value: update.requests, unit: '' },
      atMost('  requests lost', update.lost, '', 0),
    ];
  } finally {
    await cluster.down();
  }
}

/** Seconds from the write of `replicas` until all pods are ready. The Deployment is gone again afterwards. */
async function scaleUp(client: Client, replicas: number): Promise<number> {
  const ref = { namespace: 'default', name: 'web' };
  await client.create(deployments, deployment(ref, 0));
  const began = performance.now();
  await client.patch(deployments, ref, 'merge', { spec: { replicas } });
  const ready = async () => (await client.get(deployments, ref)).status?.readyReplicas === replicas;
  await waitFor(ready, { what: `${replicas} ready pods`, timeoutMs: 300_000, intervalMs: 50 });
  const seconds = (performance.now() - began) / 1000;
  await client.delete(deployments, ref);
  const gone = async () => (await client.list(podResource, { namespace: ref.namespace })).items.length === 0;
  await waitFor(gone, { what: 'the pods to be gone', timeoutMs: 300_000, intervalMs: 100 });
  return seconds;
}

interface Update {
  readonly seconds: number;
  readonly requests: number;
  readonly lost: number;
}

/** Replaces all pods of a Deployment while a node asks its Service all the time. */
async function rollUnderLoad(cluster: TestCluster, client: Client): Promise<Update> {
  const ref = { namespace: 'default', name: 'rolled' };
  await client.create(deployments, deployment(ref, rolledCount, careful));
  await cluster.kubectl(['rollout', 'status', 'deployment/rolled', '--timeout=300s'], { timeoutMs: 310_000 });
  await cluster.kubectl(['expose', 'deployment', 'rolled', '--port=80', '--target-port=8080']);
  const { spec } = await cluster.get<Service>('service', 'rolled');
  const load = await startLoad(cluster, 'node/node-1', `http://${spec?.clusterIP}/`);
  const began = performance.now();
  await cluster.kubectl(['set', 'env', 'deployment/rolled', 'VERSION=2']);
  await cluster.kubectl(['rollout', 'status', 'deployment/rolled', '--timeout=300s'], { timeoutMs: 310_000 });
  const seconds = (performance.now() - began) / 1000;
  const { requests, failures } = await load.stop();
  return { seconds, requests, lost: failures.length };
}

/** As everywhere: who is sent a request while the endpoint is being taken away still answers, slow as it is meanwhile. */
const careful: Partial<Container> = {
  readinessProbe: { httpGet: { path: '/', port: 8080 } },
  lifecycle: { preStop: { sleep: { seconds: 5 } } },
};

const deployment = (
  ref: { namespace: string; name: string },
  replicas: number,
  container: Partial<Container> = {},
): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: ref,
  spec: {
    replicas,
    selector: { matchLabels: { app: ref.name } },
    template: {
      metadata: { labels: { app: ref.name } },
      spec: {
        terminationGracePeriodSeconds: 10,
        containers: [
          {
            name: 'web',
            image,
            ...container,
          },
        ],
      },
    },
  },
});
