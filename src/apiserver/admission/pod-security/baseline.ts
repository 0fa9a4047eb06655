import type { Container } from '../../../api/types.ts';
import {
  type Check,
  named,
  namesWhere,
  type PodFacts,
  plural,
  quoted,
  type SecurityContext,
  setters,
  sorted,
  unlessUserNamespace,
  type Violation,
} from './check.ts';

const DEFAULT_CAPABILITIES = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);

function capabilities(pod: PodFacts): Violation | undefined {
  const extra = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((name) => !DEFAULT_CAPABILITIES.has(name));
  const bad = namesWhere(pod, (container) => extra(container).length > 0);
  if (bad.length === 0) return undefined;
  const added = quoted(sorted(pod.containers.flatMap(extra)));
  const detail = `${named('container', bad)} must not include ${added} in securityContext.capabilities.add`;
  return { reason: 'non-default capabilities', detail };
}

const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

function appArmorProfile(pod: PodFacts): Violation | undefined {
  const wrong = (context: Pick<SecurityContext, 'appArmorProfile'> | undefined): string[] => {
    const type = context?.appArmorProfile?.type;
    return type === undefined || type === 'RuntimeDefault' || type === 'Localhost' ? [] : [type];
  };
  const ofPod = wrong(pod.spec.securityContext);
  const bad = namesWhere(pod, ({ securityContext }) => wrong(securityContext).length > 0);
  const annotations = Object.entries(pod.metadata.annotations ?? {})
    .filter(([key, value]) => key.startsWith(APPARMOR_ANNOTATION) && !isAllowedProfile(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  const who = [
    setters(ofPod.length > 0, bad),
    ...(annotations.length > 0 ? [plural('annotation', annotations.length)] : []),
  ].filter((each) => each !== '');
  if (who.length === 0) return undefined;
  const types = sorted([...ofPod, ...pod.containers.flatMap(({ securityContext }) => wrong(securityContext))]);
  const values = [...types, ...annotations];
  const detail = `${who.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`;
  return { reason: plural('forbidden AppArmor profile', values.length), detail };
}

const isAllowedProfile = (value: string): boolean =>
  value === '' || value === 'runtime/default' || value.startsWith('localhost/');

function hostNamespaces({ spec }: PodFacts): Violation | undefined {
  const fields = ['hostNetwork', 'hostPID', 'hostIPC'] as const;
  const shared = fields.filter((field) => spec[field]).map((field) => `${field}=true`);
  return shared.length > 0 ? { reason: 'host namespaces', detail: shared.join(', ') } : undefined;
}

function hostPathVolumes({ spec }: PodFacts): Violation | undefined {
  const bad = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
  return bad.length > 0 ? { reason: 'hostPath volumes', detail: named('volume', bad) } : undefined;
}

function hostPorts(pod: PodFacts): Violation | undefined {
  const ports = ({ ports: all = [] }: Container) => all.flatMap(({ hostPort }) => (hostPort ? [String(hostPort)] : []));
  const bad = namesWhere(pod, (container) => ports(container).length > 0);
  if (bad.length === 0) return undefined;
  const used = sorted(pod.containers.flatMap(ports));
  const uses = bad.length === 1 ? 'uses' : 'use';
  return {
    reason: 'hostPort',
    detail: `${named('container', bad)} ${uses} ${plural('hostPort', used.length)} ${used.join(', ')}`,
  };
}

/** By which a kubelet would be led to ask any host. */
function hostsOfProbes(pod: PodFacts): Violation | undefined {
  const hosts = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container): string[] =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap((each) =>
      [each?.httpGet?.host, each?.tcpSocket?.host].filter((host) => host !== undefined && host !== ''),
    ) as string[];
  const bad = sorted(namesWhere(pod, (container) => hosts(container).length > 0));
  if (bad.length === 0) return undefined;
  const used = sorted(pod.containers.flatMap(hosts));
  const uses = bad.length === 1 ? 'uses' : 'use';
  return {
    reason: 'probe or lifecycle host',
    detail: `${named('container', bad)} ${uses} ${named('probe or lifecycle host', used)}`,
  };
}

function privileged(pod: PodFacts): Violation | undefined {
  const bad = namesWhere(pod, ({ securityContext }) => securityContext?.privileged === true);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${named('container', bad)} must not set securityContext.privileged=true` };
}

export function procMount(pod: PodFacts): Violation | undefined {
  const wrong = ({ securityContext }: Container): string[] => {
    const type = securityContext?.procMount;
    return type === undefined || type === 'Default' ? [] : [type];
  };
  const bad = namesWhere(pod, (container) => wrong(container).length > 0);
  if (bad.length === 0) return undefined;
  const types = quoted(sorted(pod.containers.flatMap(wrong)));
  return {
    reason: 'procMount',
    detail: `${named('container', bad)} must not set securityContext.procMount to ${types}`,
  };
}

const seLinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t'];

function seLinuxOptions(allowed: readonly string[]) {
  type Options = SecurityContext['seLinuxOptions'];
  const isWrong = (options: Options) =>
    options !== undefined && (!allowed.includes(options.type ?? '') || Boolean(options.user) || Boolean(options.role));
  return (pod: PodFacts): Violation | undefined => {
    const ofPod = pod.spec.securityContext?.seLinuxOptions;
    const bad = namesWhere(pod, ({ securityContext }) => isWrong(securityContext?.seLinuxOptions));
    const who = setters(isWrong(ofPod), bad);
    if (who === '') return undefined;
    const all = [ofPod, ...pod.containers.map(({ securityContext }) => securityContext?.seLinuxOptions)];
    const types = sorted(all.flatMap((each) => (each?.type && !allowed.includes(each.type) ? each.type : [])));
    const what = [
      ...(types.length > 0 ? [named('type', types)] : []),
      ...(all.some((each) => each?.user) ? ['user may not be set'] : []),
      ...(all.some((each) => each?.role) ? ['role may not be set'] : []),
    ];
    const detail = `${who} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`;
    return { reason: 'seLinuxOptions', detail };
  };
}

const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';

/** Before there was a field for it. */
function seccompAnnotations({ metadata, containers }: PodFacts): Violation | undefined {
  const isAllowed = (value: string) =>
    value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/');
  const keys = [SECCOMP_POD, ...containers.map(({ name }) => SECCOMP_CONTAINER + name)];
  const bad = sorted(
    keys.flatMap((key) => {
      const value = metadata.annotations?.[key];
      return value === undefined || isAllowed(value) ? [] : [`${key}=${JSON.stringify(value)}`];
    }),
  );
  if (bad.length === 0) return undefined;
  return { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', bad.length)} ${bad.join(', ')}` };
}

export type SeccompHolder = Pick<SecurityContext, 'seccompProfile'> | undefined;

/** The type of a profile that is not allowed. */
export function wrongSeccomp(context: SeccompHolder): string[] {
  const type = context?.seccompProfile?.type;
  return type === undefined || type === 'RuntimeDefault' || type === 'Localhost' ? [] : [type];
}

export function seccompProfile(pod: PodFacts): Violation | undefined {
  const ofPod = wrongSeccomp(pod.spec.securityContext);
  const bad = namesWhere(pod, ({ securityContext }) => wrongSeccomp(securityContext).length > 0);
  const who = setters(ofPod.length > 0, bad);
  if (who === '') return undefined;
  const types = sorted([...ofPod, ...pod.containers.flatMap(({ securityContext }) => wrongSeccomp(securityContext))]);
  return {
    reason: 'seccompProfile',
    detail: `${who} must not set securityContext.seccompProfile.type to ${quoted(types)}`,
  };
}

const sysctls0 =
  'kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_unprivileged_port_start';
const sysctls27 = `${sysctls0} net.ipv4.ip_local_reserved_ports`;
const sysctls29 = `${sysctls27} net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes`;
const sysctls32 = `${sysctls29} net.ipv4.tcp_rmem net.ipv4.tcp_wmem`;

function sysctls(names: string) {
  const allowed = new Set(names.split(' '));
  return ({ spec }: PodFacts): Violation | undefined => {
    const bad = (spec.securityContext?.sysctls ?? []).filter(({ name }) => !allowed.has(name)).map(({ name }) => name);
    return bad.length > 0 ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined;
  };
}

function windowsHostProcess(pod: PodFacts): Violation | undefined {
  const bad = namesWhere(pod, ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true);
  const who = setters(pod.spec.securityContext?.windowsOptions?.hostProcess === true, bad);
  if (who === '') return undefined;
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` };
}

const level = 'baseline';

/** What every pod may be asked for that is not trusted with its node. */
export const baseline: readonly Check[] = [
  { id: 'appArmorProfile', level, versions: [[0, appArmorProfile]] },
  { id: 'capabilities_baseline', level, versions: [[0, capabilities]] },
  { id: 'hostNamespaces', level, versions: [[0, hostNamespaces]] },
  { id: 'hostPathVolumes', level, versions: [[0, hostPathVolumes]] },
  { id: 'hostPorts', level, versions: [[0, hostPorts]] },
  { id: 'hostProbesAndHostLifecycle', level, versions: [[34, hostsOfProbes]] },
  { id: 'privileged', level, versions: [[0, privileged]] },
  {
    id: 'procMount',
    level,
    versions: [
      [0, procMount],
      [35, unlessUserNamespace(procMount)],
    ],
  },
  {
    id: 'seLinuxOptions',
    level,
    versions: [
      [0, seLinuxOptions(seLinuxTypes)],
      [31, seLinuxOptions([...seLinuxTypes, 'container_engine_t'])],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level,
    versions: [
      [0, seccompAnnotations],
      [19, seccompProfile],
    ],
  },
  {
    id: 'sysctls',
    level,
    versions: [
      [0, sysctls(sysctls0)],
      [27, sysctls(sysctls27)],
      [29, sysctls(sysctls29)],
      [32, sysctls(sysctls32)],
    ],
  },
  { id: 'windowsHostProcess', level, versions: [[0, windowsHostProcess]] },
];
