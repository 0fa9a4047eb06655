/**
 * The messages of the Container Runtime Interface (`runtime.v1`), as far as the kubelet uses them. Numbers are those of
 * kubernetes/cri-api `pkg/apis/runtime/v1/api.proto`.
 */
import {
  bool,
  bytes,
  field,
  int,
  message,
  type Read,
  repeated,
  string,
  stringMap,
  uint,
  type Write,
} from './protobuf.ts';

export const namespaceMode = { pod: 0, container: 1, node: 2, target: 3 } as const;
export const sandboxState = { ready: 0, notReady: 1 } as const;
export const containerState = { created: 0, running: 1, exited: 2, unknown: 3 } as const;
export const profileType = { runtimeDefault: 0, unconfined: 1, localhost: 2 } as const;
export const mountPropagation = { private: 0, hostToContainer: 1, bidirectional: 2 } as const;
export const protocol = { TCP: 0, UDP: 1, SCTP: 2 } as const;

export const VersionRequest = message({ version: field(1, string) });
export const VersionResponse = message({
  version: field(1, string),
  runtimeName: field(2, string),
  runtimeVersion: field(3, string),
  runtimeApiVersion: field(4, string),
});

const Int64Value = message({ value: field(1, int) });
const UInt64Value = message({ value: field(1, uint) });

const NamespaceOption = message({
  network: field(1, int),
  pid: field(2, int),
  ipc: field(3, int),
  targetId: field(4, string),
});
const SecurityProfile = message({ profileType: field(1, int), localhostRef: field(2, string) });

const LinuxSandboxSecurityContext = message({
  namespaceOptions: field(1, NamespaceOption),
  runAsUser: field(3, Int64Value),
  runAsGroup: field(8, Int64Value),
  readonlyRootfs: field(4, bool),
  supplementalGroups: repeated(5, int),
  privileged: field(6, bool),
  seccomp: field(9, SecurityProfile),
});

const LinuxContainerResources = message({
  cpuPeriod: field(1, int),
  cpuQuota: field(2, int),
  cpuShares: field(3, int),
  memoryLimitInBytes: field(4, int),
  oomScoreAdj: field(5, int),
  cpusetCpus: field(6, string),
  cpusetMems: field(7, string),
  unified: stringMap(9),
  memorySwapLimitInBytes: field(10, int),
});

const LinuxPodSandboxConfig = message({
  cgroupParent: field(1, string),
  securityContext: field(2, LinuxSandboxSecurityContext),
  sysctls: stringMap(3),
  overhead: field(4, LinuxContainerResources),
  resources: field(5, LinuxContainerResources),
});

const PodSandboxMetadata = message({
  name: field(1, string),
  uid: field(2, string),
  namespace: field(3, string),
  attempt: field(4, uint),
});
const DNSConfig = message({
  servers: repeated(1, string),
  searches: repeated(2, string),
  options: repeated(3, string),
});
const PortMapping = message({
  protocol: field(1, int),
  containerPort: field(2, int),
  hostPort: field(3, int),
  hostIp: field(4, string),
});

export const PodSandboxConfig = message({
  metadata: field(1, PodSandboxMetadata),
  hostname: field(2, string),
  logDirectory: field(3, string),
  dnsConfig: field(4, DNSConfig),
  portMappings: repeated(5, PortMapping),
  labels: stringMap(6),
  annotations: stringMap(7),
  linux: field(8, LinuxPodSandboxConfig),
});

export const RunPodSandboxRequest = message({ config: field(1, PodSandboxConfig), runtimeHandler: field(2, string) });
export const PodSandboxId = message({ podSandboxId: field(1, string) });
export const PodSandboxStatusRequest = message({ podSandboxId: field(1, string), verbose: field(2, bool) });

const PodIP = message({ ip: field(1, string) });
export const PodSandboxStatus = message({
  id: field(1, string),
  metadata: field(2, PodSandboxMetadata),
  state: field(3, int),
  createdAt: field(4, int),
  network: field(5, message({ ip: field(1, string), additionalIps: repeated(2, PodIP) })),
  labels: stringMap(7),
  annotations: stringMap(8),
});
export const PodSandboxStatusResponse = message({ status: field(1, PodSandboxStatus), info: stringMap(2) });

export const ListPodSandboxRequest = message({
  filter: field(1, message({ id: field(1, string), labelSelector: stringMap(3) })),
});
export const PodSandbox = message({
  id: field(1, string),
  metadata: field(2, PodSandboxMetadata),
  state: field(3, int),
  createdAt: field(4, int),
  labels: stringMap(5),
  annotations: stringMap(6),
});
export const ListPodSandboxResponse = message({ items: repeated(1, PodSandbox) });

export const ImageSpec = message({
  image: field(1, string),
  annotations: stringMap(2),
  userSpecifiedImage: field(18, string),
});
export const Mount = message({
  containerPath: field(1, string),
  hostPath: field(2, string),
  readonly: field(3, bool),
  propagation: field(5, int),
});
const Capability = message({ addCapabilities: repeated(1, string), dropCapabilities: repeated(2, string) });
const LinuxContainerSecurityContext = message({
  capabilities: field(1, Capability),
  privileged: field(2, bool),
  namespaceOptions: field(3, NamespaceOption),
  runAsUser: field(5, Int64Value),
  runAsUsername: field(6, string),
  readonlyRootfs: field(7, bool),
  supplementalGroups: repeated(8, int),
  noNewPrivs: field(11, bool),
  runAsGroup: field(12, Int64Value),
  maskedPaths: repeated(13, string),
  readonlyPaths: repeated(14, string),
  seccomp: field(15, SecurityProfile),
});
const ContainerMetadata = message({ name: field(1, string), attempt: field(2, uint) });
const KeyValue = message({ key: field(1, string), value: field(2, string) });
const Device = message({ containerPath: field(1, string), hostPath: field(2, string), permissions: field(3, string) });

export const ContainerConfig = message({
  metadata: field(1, ContainerMetadata),
  image: field(2, ImageSpec),
  command: repeated(3, string),
  args: repeated(4, string),
  workingDir: field(5, string),
  envs: repeated(6, KeyValue),
  mounts: repeated(7, Mount),
  devices: repeated(8, Device),
  labels: stringMap(9),
  annotations: stringMap(10),
  logPath: field(11, string),
  stdin: field(12, bool),
  stdinOnce: field(13, bool),
  tty: field(14, bool),
  linux: field(
    15,
    message({ resources: field(1, LinuxContainerResources), securityContext: field(2, LinuxContainerSecurityContext) }),
  ),
});

export const CreateContainerRequest = message({
  podSandboxId: field(1, string),
  config: field(2, ContainerConfig),
  sandboxConfig: field(3, PodSandboxConfig),
});
export const UpdateContainerResourcesRequest = message({
  containerId: field(1, string),
  linux: field(2, LinuxContainerResources),
});
export const ContainerId = message({ containerId: field(1, string) });
export const StopContainerRequest = message({ containerId: field(1, string), timeout: field(2, int) });
export const ListContainersRequest = message({
  filter: field(1, message({ id: field(1, string), podSandboxId: field(3, string), labelSelector: stringMap(4) })),
});
export const Container = message({
  id: field(1, string),
  podSandboxId: field(2, string),
  metadata: field(3, ContainerMetadata),
  image: field(4, ImageSpec),
  imageRef: field(5, string),
  state: field(6, int),
  createdAt: field(7, int),
  labels: stringMap(8),
  annotations: stringMap(9),
});
export const ListContainersResponse = message({ containers: repeated(1, Container) });
export const ContainerStatusRequest = message({ containerId: field(1, string), verbose: field(2, bool) });
export const ContainerStatus = message({
  id: field(1, string),
  metadata: field(2, ContainerMetadata),
  state: field(3, int),
  createdAt: field(4, int),
  startedAt: field(5, int),
  finishedAt: field(6, int),
  exitCode: field(7, int),
  image: field(8, ImageSpec),
  imageRef: field(9, string),
  reason: field(10, string),
  message: field(11, string),
  labels: stringMap(12),
  annotations: stringMap(13),
  logPath: field(15, string),
  imageId: field(17, string),
});
export const ContainerStatusResponse = message({ status: field(1, ContainerStatus), info: stringMap(2) });

export const ExecSyncRequest = message({
  containerId: field(1, string),
  cmd: repeated(2, string),
  timeout: field(3, int),
});
export const ExecSyncResponse = message({ stdout: field(1, bytes), stderr: field(2, bytes), exitCode: field(3, int) });
export const ExecRequest = message({
  containerId: field(1, string),
  cmd: repeated(2, string),
  tty: field(3, bool),
  stdin: field(4, bool),
  stdout: field(5, bool),
  stderr: field(6, bool),
});
export const AttachRequest = message({
  containerId: field(1, string),
  stdin: field(2, bool),
  tty: field(3, bool),
  stdout: field(4, bool),
  stderr: field(5, bool),
});
export const PortForwardRequest = message({ podSandboxId: field(1, string), port: repeated(2, int) });
export const StreamingUrl = message({ url: field(1, string) });

export const Image = message({
  id: field(1, string),
  repoTags: repeated(2, string),
  repoDigests: repeated(3, string),
  size: field(4, uint),
  uid: field(5, Int64Value),
  username: field(6, string),
  pinned: field(8, bool),
});
export const ImageRequest = message({ image: field(1, ImageSpec) });
export const ListImagesResponse = message({ images: repeated(1, Image) });
export const ImageStatusResponse = message({ image: field(1, Image) });
export const AuthConfig = message({
  username: field(1, string),
  password: field(2, string),
  auth: field(3, string),
  serverAddress: field(4, string),
  identityToken: field(5, string),
  registryToken: field(6, string),
});
export const PullImageRequest = message({
  image: field(1, ImageSpec),
  auth: field(2, AuthConfig),
  sandboxConfig: field(3, PodSandboxConfig),
});
export const PullImageResponse = message({ imageRef: field(1, string) });

const RuntimeCondition = message({
  type: field(1, string),
  status: field(2, bool),
  reason: field(3, string),
  message: field(4, string),
});
export const StatusRequest = message({ verbose: field(1, bool) });
export const StatusResponse = message({ status: field(1, message({ conditions: repeated(1, RuntimeCondition) })) });

const FilesystemUsage = message({
  timestamp: field(1, int),
  fsId: field(2, message({ mountpoint: field(1, string) })),
  usedBytes: field(3, UInt64Value),
  inodesUsed: field(4, UInt64Value),
});
const MemoryUsage = message({ timestamp: field(1, int), workingSetBytes: field(2, UInt64Value) });
const CpuUsage = message({ timestamp: field(1, int), usageCoreNanoSeconds: field(2, UInt64Value) });
const ContainerStats = message({
  attributes: field(1, message({ id: field(1, string), labels: stringMap(3) })),
  cpu: field(2, CpuUsage),
  memory: field(3, MemoryUsage),
  writableLayer: field(4, FilesystemUsage),
});
export const ListContainerStatsRequest = message({});
export const ListContainerStatsResponse = message({ stats: repeated(1, ContainerStats) });
export const ImageFsInfoResponse = message({ imageFilesystems: repeated(1, FilesystemUsage) });
export const Empty = message({});

/** containerd's leases (`containerd.services.leases.v1`). */
export const CreateLeaseRequest = message({ id: field(1, string) });
export const DeleteLeaseRequest = message({ id: field(1, string), sync: field(2, bool) });

/** containerd's own event stream (`containerd.services.events.v1`), the same from 1.6 to 2.x. */
export const SubscribeRequest = message({ filters: repeated(1, string) });
export const EventEnvelope = message({
  namespace: field(2, string),
  topic: field(3, string),
  event: field(4, message({ typeUrl: field(1, string), value: field(2, bytes) })),
});
/** `containerd.events.TaskExit`; of the main process where `id` is the container's. */
export const TaskExit = message({ containerId: field(1, string), id: field(2, string), pid: field(3, uint) });

export type PodSandboxConfig = Write<typeof PodSandboxConfig>;
export type ContainerConfig = Write<typeof ContainerConfig>;
export type LinuxContainerResources = Write<typeof LinuxContainerResources>;
export type LinuxContainerSecurityContext = Write<typeof LinuxContainerSecurityContext>;
export type SecurityProfile = Write<typeof SecurityProfile>;
export type NamespaceOption = Write<typeof NamespaceOption>;
export type DNSConfig = Write<typeof DNSConfig>;
export type Mount = Write<typeof Mount>;
export type AuthConfig = Write<typeof AuthConfig>;
export type PodSandbox = Read<typeof PodSandbox>;
export type PodSandboxStatus = Read<typeof PodSandboxStatus>;
export type Container = Read<typeof Container>;
export type ContainerStats = Read<typeof ContainerStats>;
export type ContainerStatus = Read<typeof ContainerStatus>;
export type Image = Read<typeof Image>;
export type VersionResponse = Read<typeof VersionResponse>;
export type StatusResponse = Read<typeof StatusResponse>;
export type RuntimeCondition = Read<typeof RuntimeCondition>;
export type ExecSyncResponse = Read<typeof ExecSyncResponse>;
export type ExecRequest = Write<typeof ExecRequest>;
export type AttachRequest = Write<typeof AttachRequest>;
export type PortForwardRequest = Write<typeof PortForwardRequest>;
