import { randomUUID } from 'node:crypto';
import { type CallOptions, type Channel, GrpcError, grpcStatus, openChannel } from './grpc.ts';
import * as m from './messages.ts';
import type { Message } from './protobuf.ts';

/**
 * The container runtime, through the Container Runtime Interface (`runtime.v1`). Times are nanoseconds since the epoch
 * and time-outs seconds, as in CRI. Every method throws {@link GrpcError}.
 */
export interface CriClient {
  version(): Promise<m.VersionResponse>;
  status(): Promise<m.StatusResponse>;

  /** Creates and starts a sandbox, its network included; resolves to its id. `handler` is a runtime's name, `''` the default's. */
  runPodSandbox(config: m.PodSandboxConfig, handler?: string): Promise<string>;
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<m.PodSandboxStatus>;
  listPodSandboxes(labels?: Readonly<Record<string, string>>): Promise<readonly m.PodSandbox[]>;

  /** Resolves to the new container's id. */
  createContainer(sandboxId: string, config: m.ContainerConfig, sandbox: m.PodSandboxConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** SIGTERM (or the image's signal), and SIGKILL after `graceSeconds`. Resolves when it stopped. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(labels?: Readonly<Record<string, string>>): Promise<readonly m.Container[]>;
  containerStatus(id: string): Promise<m.ContainerStatus>;
  listContainerStats(): Promise<readonly m.ContainerStats[]>;
  updateContainerResources(id: string, resources: m.LinuxContainerResources): Promise<void>;
  reopenContainerLog(id: string): Promise<void>;
  /** Runs a command to its end. A command over its time throws with {@link grpcStatus.DEADLINE_EXCEEDED}. */
  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<m.ExecSyncResponse>;
  /** URL of a WebSocket or SPDY stream on the node's loopback, usable once. The same for attach and portForward. */
  exec(request: m.ExecRequest): Promise<string>;
  attach(request: m.AttachRequest): Promise<string>;
  portForward(request: m.PortForwardRequest): Promise<string>;

  listImages(): Promise<readonly m.Image[]>;
  /** `undefined` where the image is not on the node. */
  imageStatus(image: string): Promise<m.Image | undefined>;
  /** Resolves to a reference of the image that `createContainer` takes. */
  pullImage(
    image: string,
    auth: m.AuthConfig | undefined,
    sandbox: m.PodSandboxConfig,
    signal?: AbortSignal,
  ): Promise<string>;
  removeImage(image: string): Promise<void>;

  /**
   * Takes from the disk what removed containers have written, before it resolves: containerd itself waits for a hundred
   * changes. CRI has no call for it; the end of a lease is one.
   */
  collectGarbage(): Promise<void>;
  /** Ids of containers and sandboxes whose main process ended, as it happens; until the connection breaks. */
  exits(signal: AbortSignal): AsyncIterable<string>;
  /** Calls that wait fail, and later ones too. */
  close(): void;
}

/** An answer is due within 2 minutes, as with the kubelet's `runtimeRequestTimeout`. */
const REQUEST_TIMEOUT_MS = 120_000;
/** A runtime that is silent for longer makes its node not ready (the kubelet's `maxWaitForContainerRuntime`). */
const HEALTH_TIMEOUT_MS = 30_000;
const RUNTIME = '/runtime.v1.RuntimeService/';
const IMAGES = '/runtime.v1.ImageService/';
const LEASES = '/containerd.services.leases.v1.Leases/';

export function createCriClient(socketPath: string): CriClient {
  const channel = openChannel(socketPath);

  async function call<I, O>(
    method: string,
    request: Message<I, unknown>,
    response: Message<never, O>,
    value: I,
    options: CallOptions = {},
  ): Promise<O> {
    const answer = await channel.unary(method, request.encode(value), { timeoutMs: REQUEST_TIMEOUT_MS, ...options });
    return response.decode(answer);
  }

  return {
    version: () => call(`${RUNTIME}Version`, m.VersionRequest, m.VersionResponse, {}, { timeoutMs: HEALTH_TIMEOUT_MS }),
    status: () => call(`${RUNTIME}Status`, m.StatusRequest, m.StatusResponse, {}, { timeoutMs: HEALTH_TIMEOUT_MS }),

    async runPodSandbox(config, handler = '') {
      const answer = await call(
        `${RUNTIME}RunPodSandbox`,
        m.RunPodSandboxRequest,
        m.PodSandboxId,
        { config, runtimeHandler: handler },
        { timeoutMs: 2 * REQUEST_TIMEOUT_MS },
      );
      return answer.podSandboxId;
    },
    async stopPodSandbox(podSandboxId) {
      await call(`${RUNTIME}StopPodSandbox`, m.PodSandboxId, m.Empty, { podSandboxId });
    },
    async removePodSandbox(podSandboxId) {
      await call(`${RUNTIME}RemovePodSandbox`, m.PodSandboxId, m.Empty, { podSandboxId });
    },
    async podSandboxStatus(podSandboxId) {
      const method = `${RUNTIME}PodSandboxStatus`;
      const { status } = await call(method, m.PodSandboxStatusRequest, m.PodSandboxStatusResponse, { podSandboxId });
      return required(status, method);
    },
    async listPodSandboxes(labels = {}) {
      const request = { filter: { labelSelector: labels } };
      return (await call(`${RUNTIME}ListPodSandbox`, m.ListPodSandboxRequest, m.ListPodSandboxResponse, request)).items;
    },

    async createContainer(podSandboxId, config, sandboxConfig) {
      const request = { podSandboxId, config, sandboxConfig };
      return (await call(`${RUNTIME}CreateContainer`, m.CreateContainerRequest, m.ContainerId, request)).containerId;
    },
    async startContainer(containerId) {
      await call(`${RUNTIME}StartContainer`, m.ContainerId, m.Empty, { containerId });
    },
    async stopContainer(containerId, graceSeconds) {
      const timeoutMs = graceSeconds * 1000 + REQUEST_TIMEOUT_MS;
      const request = { containerId, timeout: graceSeconds };
      await call(`${RUNTIME}StopContainer`, m.StopContainerRequest, m.Empty, request, { timeoutMs });
    },
    async listContainerStats() {
      const answer = await call(
        `${RUNTIME}ListContainerStats`,
        m.ListContainerStatsRequest,
        m.ListContainerStatsResponse,
        {},
      );
      return answer.stats;
    },
    async updateContainerResources(containerId, linux) {
      await call(`${RUNTIME}UpdateContainerResources`, m.UpdateContainerResourcesRequest, m.Empty, {
        containerId,
        linux,
      });
    },
    async removeContainer(containerId) {
      await call(`${RUNTIME}RemoveContainer`, m.ContainerId, m.Empty, { containerId });
    },
    async listContainers(labels = {}) {
      const request = { filter: { labelSelector: labels } };
      const answer = await call(`${RUNTIME}ListContainers`, m.ListContainersRequest, m.ListContainersResponse, request);
      return answer.containers;
    },
    async containerStatus(containerId) {
      const method = `${RUNTIME}ContainerStatus`;
      const { status } = await call(method, m.ContainerStatusRequest, m.ContainerStatusResponse, { containerId });
      return required(status, method);
    },
    async reopenContainerLog(containerId) {
      await call(`${RUNTIME}ReopenContainerLog`, m.ContainerId, m.Empty, { containerId });
    },
    execSync(containerId, cmd, timeout) {
      const timeoutMs = timeout > 0 ? timeout * 1000 + 2_000 : REQUEST_TIMEOUT_MS;
      const request = { containerId, cmd, timeout: Math.ceil(timeout) };
      return call(`${RUNTIME}ExecSync`, m.ExecSyncRequest, m.ExecSyncResponse, request, { timeoutMs });
    },
    async exec(request) {
      return (await call(`${RUNTIME}Exec`, m.ExecRequest, m.StreamingUrl, request)).url;
    },
    async attach(request) {
      return (await call(`${RUNTIME}Attach`, m.AttachRequest, m.StreamingUrl, request)).url;
    },
    async portForward(request) {
      return (await call(`${RUNTIME}PortForward`, m.PortForwardRequest, m.StreamingUrl, request)).url;
    },

    async listImages() {
      return (await call(`${IMAGES}ListImages`, m.ImageRequest, m.ListImagesResponse, {})).images;
    },
    async imageStatus(image) {
      const request = { image: { image } };
      return (await call(`${IMAGES}ImageStatus`, m.ImageRequest, m.ImageStatusResponse, request)).image ?? undefined;
    },
    async pullImage(image, auth, sandboxConfig, signal) {
      const request = { image: { image }, sandboxConfig, ...(auth ? { auth } : {}) };
      // A pull may take as long as it makes progress; the runtime gives up by itself where it makes none.
      const options = { timeoutMs: 3_600_000, ...(signal ? { signal } : {}) };
      return (await call(`${IMAGES}PullImage`, m.PullImageRequest, m.PullImageResponse, request, options)).imageRef;
    },
    async removeImage(image) {
      await call(`${IMAGES}RemoveImage`, m.ImageRequest, m.Empty, { image: { image } });
    },

    async collectGarbage() {
      const id = `knit-${randomUUID()}`;
      const options = { metadata: { 'containerd-namespace': 'k8s.io' } };
      await call(`${LEASES}Create`, m.CreateLeaseRequest, m.Empty, { id }, options);
      await call(`${LEASES}Delete`, m.DeleteLeaseRequest, m.Empty, { id, sync: true }, options);
    },
    exits: (signal) => exits(channel, signal),
    close: () => channel.close(),
  };
}

/**
 * containerd's own events rather than CRI's `GetContainerEvents`: 1.6 does not have the latter, and both come over the
 * same socket. All CRI containers live in containerd's namespace `k8s.io`.
 */
async function* exits(channel: Channel, signal: AbortSignal): AsyncGenerator<string> {
  const request = m.SubscribeRequest.encode({ filters: ['namespace==k8s.io,topic=="/tasks/exit"'] });
  const stream = channel.stream('/containerd.services.events.v1.Events/Subscribe', request, {
    signal,
    metadata: { 'containerd-namespace': 'k8s.io' },
  });
  for await (const bytes of stream) {
    const value = m.EventEnvelope.decode(bytes).event?.value;
    if (!value) continue;
    const exit = m.TaskExit.decode(value);
    if (exit.id === exit.containerId) yield exit.containerId;
  }
}

function required<T>(value: T | null, method: string): T {
  if (value === null) throw new GrpcError(grpcStatus.UNKNOWN, `${method}: the answer holds no status`);
  return value;
}

export const isRuntimeNotFound = (error: unknown): boolean =>
  error instanceof GrpcError && error.code === grpcStatus.NOT_FOUND;
