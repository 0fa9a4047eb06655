import { mkdir, readFile } from 'node:fs/promises';
import { runtimeClasses } from '../api/resource.ts';
import type { Pod } from '../api/types.ts';
import type { KubeletContext } from './context.ts';
import { shareCpu } from './cpu-share.ts';
import { rpcErrorText } from './cri/grpc.ts';
import type { PodSandbox, PodSandboxConfig } from './cri/messages.ts';
import { limitNewPod } from './pod-cgroup.ts';
import { podDNS } from './pod-dns.ts';
import { sandboxConfig } from './sandbox-config.ts';

/** What a pod's sandbox is made of; its containers are told the same. */
export async function configOfSandbox(
  { paths, cgroupParent, dns }: KubeletContext,
  pod: Pod,
  attempt: number,
): Promise<PodSandboxConfig> {
  const resolv = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  return sandboxConfig(pod, attempt, {
    paths,
    cgroupParent,
    clusterDomain: dns.domain,
    dns: podDNS(pod, dns, resolv),
  });
}

export interface StartedSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
}

/** Makes a pod's sandbox with its network; tells of a failure, and throws it. */
export async function startSandbox(kubelet: KubeletContext, pod: Pod, attempt: number): Promise<StartedSandbox> {
  const { client, cri, events, paths } = kubelet;
  const config = await configOfSandbox(kubelet, pod, attempt);
  await mkdir(config.logDirectory ?? paths.logs, { recursive: true });
  const name = pod.spec?.runtimeClassName;
  try {
    const id = await cri.runPodSandbox(config, name ? (await client.get(runtimeClasses, { name })).handler : undefined);
    shareCpu(kubelet, pod);
    limitNewPod(kubelet, pod);
    return { id, config };
  } catch (error) {
    events.pod(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${rpcErrorText(error)}`);
    throw error;
  }
}

/** Before another one is made: what is left of those that no longer serve. */
export async function endSandboxes(
  { cri, events }: KubeletContext,
  pod: Pod,
  sandboxes: readonly PodSandbox[],
): Promise<void> {
  if (sandboxes.length === 0) return;
  events.pod(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
  for (const { id } of sandboxes) await cri.stopPodSandbox(id);
}
