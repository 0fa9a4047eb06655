import {
  endpointSlices,
  namespaces,
  nodes,
  pods,
  type Resource,
  serviceAccounts,
  services,
} from '../src/api/resource.ts';
import type { KubeObject } from '../src/api/types.ts';
import { startTestApiServer } from '../src/apiserver/testing.ts';
import { type Client, isAlreadyExists } from '../src/client/client.ts';
import { createClient, httpsTransport } from '../src/client/index.ts';
import { inProcessTransport } from '../src/cluster/in-process.ts';
import { explain } from '../src/trace/explain/explain.ts';
import { clientSource, Facts, wholeSource } from '../src/trace/explain/facts.ts';
import { sweep } from '../src/trace/explain/sweep.ts';
import { atMost, type Benchmark, type Figure, median } from './figures.ts';

const serviceCount = 10_000;
const podsOfService = 5;
const nodeCount = 500;
const namespaceCount = 100;
const writers = 100;
const rounds = 9;

export const explaining: Benchmark = {
  name: 'explain',
  about: `why A cannot reach B, by the objects of ${serviceCount} Services and ${serviceCount * podsOfService} pods, over HTTPS`,
  run: measure,
};

async function measure(): Promise<Figure[]> {
  const api = await startTestApiServer({ serviceCIDRs: ['10.64.0.0/12'] });
  const transport = httpsTransport({ server: api.url, ca: api.ca, cert: api.adminCert, key: api.adminKey });
  try {
    await fill(createClient(inProcessTransport(api.server)));
    const client = createClient(transport);
    const one = median(await timed(rounds, () => ask(client)));
    const [all = 0] = await timed(1, () => sweep(new Facts(wholeSource(client))));
    return [
      atMost('one question, the slowest kind: a Service without a matching pod', one, 'ms', 1000),
      atMost('everything: --all', all / 1000, 's', 10),
    ];
  } finally {
    await transport.close();
    await api.stop();
  }
}

async function ask(client: Client): Promise<void> {
  const question = { from: 'pod/ns-1/web-1-0', to: 'service/ns-1/lost' };
  const { findings } = await explain(new Facts(clientSource(client)), question);
  if (findings[0]?.code !== 'SVC_SELECTOR_NO_MATCH') throw new Error(`found ${findings[0]?.code}`);
}

async function timed(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < count; round++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times;
}

/** Objects as a cluster has them, but for nodes and kubelets. */
async function fill(client: Client): Promise<void> {
  const each = (count: number, make: (index: number) => Promise<unknown>) => inParallel(count, make);
  const create = async <T extends KubeObject>(resource: Resource<T>, object: object): Promise<void> => {
    await client.create(resource, object as T).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  };
  await each(namespaceCount, async (index) => {
    const namespace = `ns-${index}`;
    await create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await create(serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace },
    });
  });
  await each(nodeCount, (index) => create(nodes, nodeOf(index)));
  await each(serviceCount, (index) => create(services, serviceOf(`web-${index}`, index, `web-${index}`)));
  await create(services, serviceOf('lost', 1, 'nobody'));
  await each(serviceCount, (index) => create(endpointSlices, sliceOf(index)));
  await each(serviceCount * podsOfService, async (index) => {
    const pod = podOf(index);
    const { metadata } = pod;
    await create(pods, pod);
    await client.patch(
      pods,
      { name: metadata.name, namespace: metadata.namespace },
      'merge',
      { status: pod.status },
      'status',
    );
  });
}

async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (const index of indexes) await work(index);
    }),
  );
}

const namespaceOf = (index: number): string => `ns-${index % namespaceCount}`;
const addressOf = (index: number): string => `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;

function nodeOf(index: number) {
  const conditions = [{ type: 'Ready', status: 'True' }];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${index}` },
    spec: { podCIDR: `10.${128 + (index >> 8)}.${index & 255}.0/24` },
    status: { conditions },
  };
}

function serviceOf(name: string, index: number, app: string) {
  const metadata = { name, namespace: namespaceOf(index) };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { app }, ports: [{ port: 80 }] } };
}

function sliceOf(index: number) {
  const endpoints = Array.from({ length: podsOfService }, (_, each) => ({
    addresses: [addressOf(index * podsOfService + each)],
    conditions: { ready: true },
    nodeName: `node-${index % nodeCount}`,
    targetRef: { kind: 'Pod', name: `web-${index}-${each}`, namespace: namespaceOf(index) },
  }));
  const labels = { 'kubernetes.io/service-name': `web-${index}` };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `web-${index}`, namespace: namespaceOf(index), labels },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints,
  };
}

function podOf(index: number) {
  const service = Math.floor(index / podsOfService);
  const name = `web-${service}-${index % podsOfService}`;
  const ready = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True' }));
  const podIP = addressOf(index);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: namespaceOf(service), labels: { app: `web-${service}` } },
    spec: { nodeName: `node-${service % nodeCount}`, containers: [{ name: 'web', image: 'web' }] },
    status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: ready },
  };
}
