import path from 'node:path';
import type { Container, Pod } from '../api/types.ts';
import {
  type ContainerConfig,
  type LinuxContainerSecurityContext,
  type Mount,
  type NamespaceOption,
  namespaceMode,
  profileType,
  type SecurityProfile,
} from './cri/messages.ts';
import { expand } from './env.ts';
import { annotation, containerHash, label, podLabels } from './labels.ts';
import type { KubeletPaths } from './paths.ts';
import { type ContainerLimits, containerResources } from './resources.ts';
import { podNamespaces, supplementalGroups } from './sandbox-config.ts';

export interface ContainerContext {
  readonly paths: KubeletPaths;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** As the runtime resolves it. */
  readonly imageRef: string;
  /** The image's own user; a pod that must not run as root is checked against it. */
  readonly imageUser: { readonly uid: number | undefined; readonly username: string };
  readonly restartCount: number;
  /** The container whose processes an ephemeral container shall see. */
  readonly targetId?: string;
  readonly limits: ContainerLimits;
}

/** What is hidden and what is read-only in a container's /proc and /sys, unless `procMount: Unmasked` asks for it. */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function containerConfig(pod: Pod, container: Container, context: ContainerContext): ContainerConfig {
  const expanded = (words: readonly string[] | undefined) => (words ?? []).map((word) => expand(word, context.env));
  return {
    metadata: { name: container.name, attempt: context.restartCount },
    image: { image: context.imageRef, userSpecifiedImage: container.image ?? '' },
    command: expanded(container.command),
    args: expanded(container.args),
    workingDir: container.workingDir ?? '',
    envs: Object.entries(context.env).map(([key, value]) => ({ key, value })),
    mounts: context.mounts,
    labels: { ...podLabels(pod), [label.containerName]: container.name },
    annotations: annotations(pod, container, context.restartCount),
    logPath: context.paths.containerLog(container.name, context.restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: containerResources(pod, container, context.limits),
      securityContext: securityContext(pod, container, context),
    },
  };
}

/** What a kubelet that was started anew, or to which the pod is unknown, must know to end this container properly. */
function annotations(pod: Pod, container: Container, restartCount: number): Record<string, string> {
  const preStop = container.lifecycle?.preStop;
  return {
    [annotation.hash]: containerHash(container),
    [annotation.restartCount]: String(restartCount),
    [annotation.terminationMessagePath]: terminationMessagePath(container),
    [annotation.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
    [annotation.gracePeriod]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
    [annotation.resources]: JSON.stringify(container.resources ?? {}),
    ...(preStop ? { [annotation.preStop]: JSON.stringify(preStop) } : {}),
  };
}

export const terminationMessagePath = (container: Container): string =>
  container.terminationMessagePath ?? '/dev/termination-log';

function securityContext(pod: Pod, container: Container, context: ContainerContext): LinuxContainerSecurityContext {
  const ofPod = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? ofPod.runAsUser ?? context.imageUser.uid;
  const group = own.runAsGroup ?? ofPod.runAsGroup;
  requireNonRoot(own.runAsNonRoot ?? ofPod.runAsNonRoot ?? false, user, context.imageUser.username);
  const masked = !own.privileged && own.procMount !== 'Unmasked';
  return {
    capabilities: {
      addCapabilities: own.capabilities?.add ?? [],
      dropCapabilities: own.capabilities?.drop ?? [],
    },
    privileged: own.privileged ?? false,
    namespaceOptions: namespaces(pod, context.targetId),
    ...(user === undefined ? { runAsUsername: context.imageUser.username } : { runAsUser: { value: user } }),
    ...(user === undefined || group === undefined ? {} : { runAsGroup: { value: group } }),
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    supplementalGroups: supplementalGroups(pod),
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: masked ? MASKED_PATHS : [],
    readonlyPaths: masked ? READONLY_PATHS : [],
    seccomp: seccomp(own.seccompProfile ?? ofPod.seccompProfile, context.paths.root),
  };
}

function namespaces(pod: Pod, targetId: string | undefined): NamespaceOption {
  const shared = podNamespaces(pod);
  return targetId === undefined ? shared : { ...shared, pid: namespaceMode.target, targetId };
}

function requireNonRoot(asked: boolean, user: number | undefined, username: string): void {
  if (!asked) return;
  if (user === 0) throw new Error("container's runAsUser breaks non-root policy");
  if (user === undefined && username !== '') {
    throw new Error(
      `container has runAsNonRoot and image has non-numeric user (${username}), cannot verify user is non-root`,
    );
  }
  if (user === undefined) throw new Error('container has runAsNonRoot and image will run as root');
}

type SeccompProfile = NonNullable<NonNullable<Container['securityContext']>['seccompProfile']>;

function seccomp(profile: SeccompProfile | undefined, root: string): SecurityProfile {
  if (profile?.type === 'RuntimeDefault') return { profileType: profileType.runtimeDefault };
  if (profile?.type === 'Localhost') {
    const localhostRef = path.join(root, 'seccomp', profile.localhostProfile ?? '');
    return { profileType: profileType.localhost, localhostRef };
  }
  return { profileType: profileType.unconfined };
}
