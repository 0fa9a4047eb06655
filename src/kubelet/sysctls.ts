import type { Pod } from '../api/types.ts';

/** Of the pod's own namespaces and without effect on others: allowed on every node (the kubelet's safe set). */
const SAFE = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];

const NAMESPACES = [
  { name: 'ipc', prefixes: ['kernel.sem', 'kernel.shm', 'kernel.msg', 'fs.mqueue.'] },
  { name: 'net', prefixes: ['net.'] },
] as const;

/**
 * A sysctl with dots between its parts: sysctl(8) takes slashes too, and dots are then part of a name
 * (`net/ipv4/conf/eth0.1/arp_filter`).
 */
export function dotted(sysctl: string): string {
  if (/[./]/.exec(sysctl)?.[0] !== '/') return sysctl;
  return sysctl.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'));
}

/** Why a pod's sysctls are not for this node, in the kubelet's words; `allowed` holds names and prefixes with a `*`. */
export function forbiddenSysctl(pod: Pod, allowed: readonly string[]): string | undefined {
  const patterns = [...SAFE, ...allowed.map(dotted)];
  for (const { name } of pod.spec?.securityContext?.sysctls ?? []) {
    const sysctl = dotted(name);
    const covered = patterns.some((pattern) =>
      pattern.endsWith('*') ? sysctl.startsWith(pattern.slice(0, -1)) : sysctl === pattern,
    );
    if (!covered) return `${JSON.stringify(sysctl)} not allowlisted`;
    const namespace = NAMESPACES.find(({ prefixes }) => prefixes.some((prefix) => sysctl.startsWith(prefix)))?.name;
    const shared = namespace === 'ipc' ? pod.spec?.hostIPC : namespace === 'net' ? pod.spec?.hostNetwork : false;
    if (shared) return `${JSON.stringify(sysctl)} not allowed with host ${namespace} enabled`;
  }
  return undefined;
}
