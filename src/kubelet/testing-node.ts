import assert from 'node:assert/strict';
import { events, namespaces, nodes, pods, serviceAccounts } from '../api/resource.ts';
import type { Node, Pod, PodSpec } from '../api/types.ts';
import { startTestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createClient } from '../client/requests.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import { startTestContainerd, type TestContainerd, testCgroup, testImage } from './testing.ts';

/** A whole node for a test: a real API server, a real containerd, and a kubelet between them. */
export interface TestNode {
  readonly client: Client;
  readonly containerd: TestContainerd;
  readonly rootDir: string;
  kubelet(): Kubelet;
  restartKubelet(): Promise<void>;
  stopKubelet(): Promise<void>;
  startKubelet(): Promise<void>;
  /** Creates a pod on the node. Its containers run the test's image. */
  run(name: string, spec: Partial<PodSpec>): Promise<Pod>;
  pod(name: string): Promise<Pod>;
  /** Waits until the pod is as `is` wants it. */
  until(name: string, what: string, is: (pod: Pod) => unknown, timeoutMs?: number): Promise<Pod>;
  untilGone(name: string, timeoutMs?: number): Promise<void>;
  node(): Promise<Node>;
  /** `TYPE REASON MESSAGE` of a pod's events so far. */
  events(name: string): Promise<readonly string[]>;
  log(pod: string, container: string): Promise<string>;
  stop(): Promise<void>;
}

export const testNamespace = 'shop';
const nodeName = 'node-1';

export async function startTestNode(): Promise<TestNode> {
  const containerd = await startTestContainerd();
  const api = await startTestApiServer();
  const credentials = { cert: api.adminCert, key: api.adminKey };
  const connect = () => createClient(httpsTransport({ server: api.url, ca: api.ca, ...credentials }));
  const client = connect();
  const log = createLog('kubelet', (line) => {
    if (process.env.KNIT_TEST_VERBOSE) process.stderr.write(line);
  });
  const rootDir = `${containerd.folder}/kubelet`;
  const start = () =>
    startKubelet({
      client,
      log,
      nodeName,
      rootDir,
      nodeIPs: ['10.88.0.1'],
      hostname: nodeName,
      criSocket: containerd.socket,
      cgroupParent: `${testCgroup()}/pods`,
      clusterDNS: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      runtimeGraceMs: 1000,
    });
  const inNamespace = (name: string) => ({ name, namespace: testNamespace });
  await ensure(client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: testNamespace } }));
  await ensure(
    client.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: inNamespace('default') }),
  );
  let kubelet = await start();
  const get = (name: string) => client.get(pods, inNamespace(name));

  return {
    client,
    containerd,
    rootDir,
    kubelet: () => kubelet,
    stopKubelet: () => kubelet.stop(),
    async startKubelet() {
      kubelet = await start();
    },
    async restartKubelet() {
      await kubelet.stop();
      kubelet = await start();
    },
    run: (name, spec) =>
      client.create(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: inNamespace(name),
        spec: {
          nodeName,
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 1,
          ...spec,
          containers: (spec.containers ?? []).map((container) => ({ image: testImage, ...container })),
        },
      }),
    pod: get,
    async until(name, what, is, timeoutMs = 30_000) {
      let last: Pod | undefined;
      try {
        return await waitFor(
          async () => {
            last = await get(name);
            return is(last) ? last : undefined;
          },
          { what, timeoutMs, intervalMs: 10 },
        );
      } catch (error) {
        assert.fail(`${String(error)}; its status: ${JSON.stringify(last?.status, null, 1)}`);
      }
    },
    async untilGone(name, timeoutMs = 30_000) {
      const gone = async () => {
        try {
          await get(name);
          return false;
        } catch (error) {
          return isNotFound(error);
        }
      };
      await waitFor(gone, { what: `${name} to be gone`, timeoutMs, intervalMs: 10 });
    },
    node: () => client.get(nodes, { name: nodeName }),
    async events(name) {
      const { items } = await client.list(events, { namespace: testNamespace });
      return items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
        .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
    },
    async log(pod, container) {
      const found = await kubelet.runtime.findContainer(testNamespace, pod, container);
      assert.ok(found, `container ${container} of ${pod} is not there`);
      const { readFile } = await import('node:fs/promises');
      const text = await readFile(found.logPath, 'utf8');
      return text.replace(/^\S+ \S+ [FP] /gm, '');
    },
    async stop() {
      await using steps = new AsyncDisposableStack();
      steps.defer(() => api.stop());
      steps.defer(() => containerd.stop());
      steps.defer(() => kubelet.stop());
    },
  };
}

/** What bootstrap may have made already. */
async function ensure(creating: Promise<unknown>): Promise<void> {
  await creating.catch((error: unknown) => {
    if (!(error instanceof Error) || !/already exists/.test(error.message)) throw error;
  });
}

/** The state of a pod's container. */
export function containerOf(pod: Pod, name: string) {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return statuses.find((status) => status.name === name);
}

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
