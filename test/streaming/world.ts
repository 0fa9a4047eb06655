import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { ContainerStatus, Pod } from '../../src/api/types.ts';
import { notFound, toStatusError } from '../../src/apiserver/errors.ts';
import { kubeletPath, type StreamSubresource } from '../../src/apiserver/streaming/kubelet-path.ts';
import { kubeletLog } from '../../src/apiserver/streaming/stream.ts';
import type { ClientTls } from '../../src/apiserver/streaming/target.ts';
import { proxyUpgrade, refuseWithStatus } from '../../src/apiserver/streaming/upgrade.ts';
import { createLog } from '../../src/base/log.ts';
import type { Running } from '../../src/base/running.ts';
import { CertificateAuthority } from '../../src/cluster/pki.ts';
import { namespaceMode, type PodSandboxConfig } from '../../src/kubelet/cri/messages.ts';
import { label, podLabels } from '../../src/kubelet/labels.ts';
import { kubeletPaths } from '../../src/kubelet/paths.ts';
import { createRuntimeView } from '../../src/kubelet/runtime-view.ts';
import { startKubeletServer } from '../../src/kubelet/server/server.ts';
import { startTestContainerd, type TestContainerd, testCgroup, testImage } from '../../src/kubelet/testing.ts';

export interface TestContainer {
  readonly name: string;
  readonly command: readonly string[];
  readonly tty?: boolean;
  readonly stdin?: boolean;
}

/** One node with a containerd, its kubelet's server, and an API server that knows pods and their streams alone. */
export interface World extends Running {
  readonly containerd: TestContainerd;
  /** `http://127.0.0.1:PORT` of the API server. */
  readonly server: string;
  /** Of the kubelet's server, with the API server's credentials. */
  readonly kubelet: { readonly port: number; readonly tls: ClientTls };
  runPod(name: string, containers: readonly TestContainer[]): Promise<void>;
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
  const client = await ca.identity('client', {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
  });
  const kubelet = await startKubeletServer({
    log: createLog('kubelet'),
    host: '127.0.0.1',
    port: 0,
    tls: { cert: serving.cert, key: serving.key, clientCA: ca.cert },
    node: { pods: () => [...pods.values()], runtime: createRuntimeView(cri, paths) },
  });
  const tls: ClientTls = { cert: client.cert, key: client.key, ca: ca.cert };
  const api = await startApi((name) => pods.get(name), { port: kubelet.port, tls });

  return {
    containerd,
    server: api.server,
    kubelet: { port: kubelet.port, tls },
    ca,
    async runPod(name, containers) {
      const pod = podOf(name, containers);
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
          },
          config,
        );
        mkdirSync(path.dirname(path.join(config.logDirectory ?? '', paths.containerLog(container, 0))), {
          recursive: true,
        });
        await cri.startContainer(id);
        ids.set(container, id);
      }
      pods.set(name, { ...pod, status: { phase: 'Running', containerStatuses: statusesOf(ids) } });
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
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: { nodeName: 'n1', containers: containers.map(({ name, tty, stdin }) => ({ name, tty, stdin })) },
    status: { phase: 'Running' },
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

async function startApi(
  find: (name: string) => Pod | undefined,
  kubelet: { readonly port: number; readonly tls: ClientTls },
): Promise<Running & { readonly server: string }> {
  const podPath = /^\/api\/v1\/namespaces\/default\/pods\/([^/]+)(?:\/([a-z]+))?$/;
  const locate = (text: string) => {
    const url = new URL(text, 'http://api');
    const [, name = '', subresource] = podPath.exec(url.pathname) ?? [];
    const pod = find(name);
    if (!pod) throw notFound({ group: '', plural: 'pods' }, name);
    if (subresource === undefined) return { pod };
    const target = {
      host: '127.0.0.1',
      port: kubelet.port,
      path: kubeletPath(subresource as StreamSubresource, pod, url.searchParams),
    };
    return { pod, target };
  };
  const server = createServer(async (req, res) => {
    try {
      const known = discovery[req.url?.split('?')[0] ?? ''];
      const { pod, target } = known ? { pod: known } : locate(req.url ?? '/');
      if (!target) {
        res.setHeader('Content-Type', 'application/json');
        res.end(JSON.stringify(pod));
        return;
      }
      const gone = new AbortController();
      res.once('close', () => gone.abort());
      const answer = await kubeletLog({ target, tls: kubelet.tls, signal: gone.signal });
      res.writeHead(answer.status, { 'Content-Type': 'text/plain' });
      res.flushHeaders();
      answer.body.pipe(res);
    } catch (error) {
      const { code, status } = toStatusError(error);
      res.writeHead(code, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify(status));
    }
  });
  server.on('upgrade', (req, socket, head) => {
    try {
      const { target } = locate(req.url ?? '/');
      if (target) void proxyUpgrade({ req, socket, head, target, tls: kubelet.tls });
    } catch (error) {
      refuseWithStatus(socket, error);
    }
  });
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** As much of the discovery documents as kubectl needs to find pods. */
const discovery: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list'], shortNames: ['po'] },
      ...['exec', 'attach', 'portforward', 'log'].map((name) => ({
        name: `pods/${name}`,
        singularName: '',
        namespaced: true,
        kind: 'Pod',
        verbs: ['get', 'create'],
      })),
    ],
  },
};
