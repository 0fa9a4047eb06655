import type { Pod } from '../api/types.ts';
import {
  type DNSConfig,
  type NamespaceOption,
  namespaceMode,
  type PodSandboxConfig,
  profileType,
  protocol,
} from './cri/messages.ts';
import { podLabels } from './labels.ts';
import type { KubeletPaths } from './paths.ts';
import { podCgroup } from './resources.ts';
import { dotted } from './sysctls.ts';

export interface SandboxContext {
  readonly paths: KubeletPaths;
  readonly cgroupParent: string;
  readonly clusterDomain: string;
  readonly dns: DNSConfig;
}

/** Host names longer than this are cut, as the kubelet does (hostname(7) allows 64 characters, DNS labels 63). */
const MAX_HOSTNAME = 63;

export function sandboxConfig(pod: Pod, attempt: number, context: SandboxContext): PodSandboxConfig {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const security = pod.spec?.securityContext;
  const hostNetwork = pod.spec?.hostNetwork === true;
  return {
    metadata: { name, namespace, uid, attempt },
    hostname: hostNetwork ? '' : podHostname(pod, context.clusterDomain).hostname,
    logDirectory: context.paths.podLogs(namespace, name, uid),
    dnsConfig: context.dns,
    portMappings: portMappings(pod),
    labels: { ...pod.metadata?.labels, ...podLabels(pod) },
    annotations: { ...pod.metadata?.annotations },
    linux: {
      cgroupParent: podCgroup(context.cgroupParent, pod),
      sysctls: Object.fromEntries((security?.sysctls ?? []).map(({ name: sysctl, value }) => [dotted(sysctl), value])),
      securityContext: {
        namespaceOptions: podNamespaces(pod),
        privileged: isPrivileged(pod),
        seccomp: { profileType: profileType.runtimeDefault },
        ...(security?.runAsUser === undefined ? {} : { runAsUser: { value: security.runAsUser } }),
        ...(security?.runAsUser === undefined || security.runAsGroup === undefined
          ? {}
          : { runAsGroup: { value: security.runAsGroup } }),
        supplementalGroups: supplementalGroups(pod),
      },
    },
  };
}

/** Whom a pod shares its namespaces with. */
export function podNamespaces(pod: Pod): NamespaceOption {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  const shared = shareProcessNamespace ? namespaceMode.pod : namespaceMode.container;
  return {
    network: hostNetwork ? namespaceMode.node : namespaceMode.pod,
    pid: hostPID ? namespaceMode.node : shared,
    ipc: hostIPC ? namespaceMode.node : namespaceMode.pod,
  };
}

export function supplementalGroups(pod: Pod): number[] {
  const security = pod.spec?.securityContext;
  return [...(security?.fsGroup === undefined ? [] : [security.fsGroup]), ...(security?.supplementalGroups ?? [])];
}

const isPrivileged = (pod: Pod): boolean =>
  [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].some(
    (container) => container.securityContext?.privileged === true,
  );

/** A pod's host name and, where it has a subdomain, its name in the cluster's DNS. */
export function podHostname(pod: Pod, clusterDomain: string): { readonly hostname: string; readonly fqdn?: string } {
  const { subdomain, setHostnameAsFQDN, hostnameOverride } = pod.spec ?? {};
  const cut = (name: string) => name.slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '');
  // The name inside the pod only: it has no place in the cluster's DNS (KEP-4762).
  if (hostnameOverride) return { hostname: cut(hostnameOverride) };
  const short = cut(pod.spec?.hostname ?? pod.metadata?.name ?? '');
  if (!subdomain) return { hostname: short };
  const fqdn = `${short}.${subdomain}.${pod.metadata?.namespace}.svc.${clusterDomain}`;
  return { hostname: setHostnameAsFQDN ? fqdn : short, fqdn };
}

function portMappings(pod: Pod): NonNullable<PodSandboxConfig['portMappings']> {
  if (pod.spec?.hostNetwork) return [];
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  return ports
    .filter((port) => port.hostPort)
    .map((port) => ({
      protocol: protocol[(port.protocol ?? 'TCP') as keyof typeof protocol],
      containerPort: port.containerPort,
      hostPort: port.hostPort ?? 0,
      hostIp: port.hostIP ?? '',
    }));
}
