import type { TestContext } from 'node:test';
import { pods, type Resource } from '../api/resource.ts';
import type { Deployment, KubeObject, Node, Pod, PodTemplateSpec } from '../api/types.ts';
import { startTestApiServer, type TestApiServer, type TestOptions } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, SelectorOptions } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { type ControllersOptions, startControllers } from './index.ts';
import { timestamp } from './time.ts';

export interface TestCluster {
  readonly client: Client;
  readonly server: TestApiServer;
  /** Waits until `look` finds something. */
  until<T>(what: string, look: () => Promise<T> | T, timeoutMs?: number): Promise<Exclude<T, undefined | false>>;
  listed<T extends KubeObject>(resource: Resource<T>, options?: SelectorOptions): Promise<T[]>;
  /** Says that all pods of the namespace that wait are ready, as kubelets would. */
  makeReady(namespace?: string): Promise<void>;
  setReady(pod: Pod, ready: boolean): Promise<void>;
}

/** A real API server with all controllers, and no kubelet: tests say how pods are. */
export async function startTestCluster(
  t: TestContext,
  options: Partial<ControllersOptions> = {},
  serverOptions: TestOptions = {},
): Promise<TestCluster> {
  const server = await startTestApiServer(serverOptions);
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  const client = createClient(transport);
  const log = createLog('test', (line) => {
    if (!line.includes(' INFO ') && process.env.KNIT_TEST_LOG) process.stderr.write(line);
  });
  const informers = createInformers(client, log);
  const controllers = await startControllers({
    client,
    informers,
    log,
    podCIDRs: ['10.244.0.0/16'],
    rootCA: 'the CA',
    ...options,
  });
  t.after(async () => {
    await controllers.stop();
    await informers.stop();
    await transport.close();
    await server.stop();
  });

  const until: TestCluster['until'] = (what, look, timeoutMs = 30_000) =>
    waitFor(look, { what, timeoutMs, intervalMs: 5 });
  const listed: TestCluster['listed'] = async (resource, selector) => (await client.list(resource, selector)).items;
  const setReady = async (pod: Pod, ready: boolean): Promise<void> => {
    const { name = '', namespace } = pod.metadata ?? {};
    const index = Number.parseInt(pod.metadata?.uid?.slice(-4) ?? '0', 16);
    const podIP = `10.244.${index >> 8}.${index & 255}`;
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: timestamp() }];
    const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions };
    await client.patch(pods, { name, namespace }, 'merge', { status }, 'status');
  };
  return {
    client,
    server,
    until,
    listed,
    setReady,
    async makeReady(namespace = 'default') {
      const waiting = (await listed(pods, { namespace })).filter(
        (pod) => !pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
      );
      for (const pod of waiting) await setReady(pod, true);
    },
  };
}

export const template = (app: string, image = 'web:1'): PodTemplateSpec => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
});

export const deployment = (name: string, replicas: number, spec: Partial<Deployment['spec']> = {}): Deployment => ({
  metadata: { name, namespace: 'default' },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name), ...spec },
});

export const node = (name: string): Node => ({ metadata: { name } });
