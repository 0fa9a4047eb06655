import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { nodes, pods as podResource, serviceAccounts } from '../../src/api/resource.ts';
import type { ContainerStatus, Pod } from '../../src/api/types.ts';
import type { ClientTls } from '../../src/apiserver/streaming/target.ts';
import { startTestApiServer } from '../../src/apiserver/testing.ts';
import { createLog } from '../../src/base/log.ts';
import type { Running } from '../../src/base/running.ts';
import { type Client, createClient, httpsTransport } from '../../src/client/index.ts';
import { CertificateAuthority } from '../../src/cluster/pki.ts';
import { namespaceMode, type PodSandboxConfig } from '../../src/kubelet/cri/messages.ts';
import { label, podLabels } from '../../src/kubelet/labels.ts';
import { kubeletPaths } from '../../src/kubelet/paths.ts';
import { createRuntimeView } from '../../src/kubelet/runtime-view.ts';
import { startKubeletServer } from '../../src/kubelet/server/server.ts';
import { resolveSettings } from '../../src/kubelet/settings.ts';
import { createStats } from '../../src/kubelet/stats.ts';
import { startTestContainerd, type TestContainerd, testCgroup, testImage } from '../../src/kubelet/testing.ts';

export interface TestContainer {
  readonly name: string;
  readonly command: readonly string[];
  readonly tty?: boolean;
  /**
   * An input for the first client that attaches. One for many would lose output at times: containerd lets go of an
   * attached client's standard output as soon as the process has closed its standard error.
   */
  readonly stdin?: boolean;
}

const nodeName = 'n1';

/** An API server, and one node that has a containerd and the kubelet's server; what a kubelet does is done by hand. */
export interface World extends Running {
  readonly containerd: TestContainerd;
  /** `https://127.0.0.1:PORT` of the API server, how its administrator shows who they are, and both as a file. */
  readonly server: string;
  readonly admin: ClientTls;
  readonly kubeconfig: string;
  /** Of the kubelet's server, with the API server's credentials. */
  readonly kubelet: { readonly port: number; readonly tls: ClientTls };
  readonly client: Client;
  /** Resolves to the pod's address. */
  runPod(name: string, containers: readonly TestContainer[]): Promise<string>;
  readonly ca: CertificateAuthority;
}

export async function startWorld(): Promise<World> {
  const containerd = await startTestContainerd();
  const { folder, cri } = containerd;
  const paths = kubeletPaths(path.join(folder, 'kubelet'));
  const pods = new Map<string, Pod>();
  const pki = path.join(folder, 'pki');
  mkdirSync(pki);
  const ca = await CertificateAuthority.open(pki);
  const serving = await ca.identity('kubelet', { commonName: 'system:node:n1', addresses: ['127.0.0.1'] });
  const credentials = await ca.identity('client', {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
  });
  const kubelet = await startKubeletServer({
    log: createLog('kubelet'),
    host: '127.0.0.1',
    port: 0,
    tls: { cert: serving.cert, key: serving.key, clientCA: ca.cert },
    node: {
      name: 'node-1',
      settings: resolveSettings(),
      pods: () => [...pods.values()],
      runtime: createRuntimeView(cri, paths),
      lastShutdown: () => ({}),
      terminations: () => [],
      usage: createStats(cri, undefined).usage,
    },
  });
  const tls: Required<Pick<ClientTls, 'cert' | 'key' | 'ca'>> = {
    cert: credentials.cert,
    key: credentials.key,
    ca: ca.cert,
  };
  const api = await startTestApiServer({ kubeletTLS: tls });
  const admin: ClientTls = { cert: api.adminCert, key: api.adminKey, ca: api.ca };
  const client = createClient(httpsTransport({ server: api.url, ...admin }));
  await prepare(client, kubelet.port);
  const kubeconfig = path.join(folder, 'kubeconfig');
  api.kubeconfig(kubeconfig);

  return {
    containerd,
    server: api.url,
    client,
    admin,
    kubeconfig,
    kubelet: { port: kubelet.port, tls },
    ca,
    async runPod(name, containers) {
      const pod = await client.create(podResource, podOf(name, containers));
      const config: PodSandboxConfig = {
        metadata: { name, uid: pod.metadata?.uid ?? '', namespace: 'default', attempt: 0 },
        hostname: name,
        logDirectory: paths.podLogs('default', name, pod.metadata?.uid ?? ''),
        labels: podLabels(pod),
        linux: { cgroupParent: testCgroup(), securityContext: { namespaceOptions: { pid: namespaceMode.container } } },
      };
      const sandbox = await cri.runPodSandbox(config);
      const image = await cri.imageStatus(testImage);
      const ids = new Map<string, string>();
      for (const { name: container, command, tty = false, stdin = false } of containers) {
        const id = await cri.createContainer(
          sandbox,
          {
            metadata: { name: container, attempt: 0 },
            image: { image: image?.id ?? testImage },
            command: [...command],
            labels: { ...podLabels(pod), [label.containerName]: container },
            logPath: paths.containerLog(container, 0),
            tty,
            stdin,
            stdinOnce: stdin,
          },
          config,
        );
        mkdirSync(path.dirname(path.join(config.logDirectory ?? '', paths.containerLog(container, 0))), {
          recursive: true,
        });
        await cri.startContainer(id);
        ids.set(container, id);
      }
      const ip = (await cri.podSandboxStatus(sandbox)).network?.ip ?? '';
      const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], containerStatuses: statusesOf(ids) };
      pods.set(name, await client.updateStatus(podResource, { ...pod, status }));
      return ip;
    },
    async stop() {
      await api.stop();
      await kubelet.stop();
      await containerd.stop();
    },
  };
}

function podOf(name: string, containers: readonly TestContainer[]): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName, containers: containers.map(({ name, tty, stdin }) => ({ name, image: testImage, tty, stdin })) },
  };
}

/** What the kubelet would have reported when the containers had started. */
function statusesOf(ids: ReadonlyMap<string, string>): ContainerStatus[] {
  return [...ids].map(([name, id]) => ({
    name,
    image: testImage,
    imageID: testImage,
    ready: true,
    restartCount: 0,
    containerID: `containerd://${id}`,
    state: { running: {} },
  }));
}

/** What a cluster has before its first pod. */
async function prepare(client: Client, kubeletPort: number): Promise<void> {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } };
  await client.create(serviceAccounts, account);
  const node = await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }];
  const daemonEndpoints = { kubeletEndpoint: { Port: kubeletPort } };
  await client.updateStatus(nodes, { ...node, status: { addresses, daemonEndpoints } });
}
