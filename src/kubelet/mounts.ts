import { chmod, lstat, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Container, Pod } from '../api/types.ts';
import { terminationMessagePath } from './container-config.ts';
import { type Mount, mountPropagation } from './cri/messages.ts';
import { expand, variablesOf } from './env.ts';
import type { KubeletPaths } from './paths.ts';
import type { VolumePaths } from './volumes/volumes.ts';

export interface MountContext {
  readonly paths: KubeletPaths;
  readonly volumes: VolumePaths;
  /** For `subPathExpr`. */
  readonly env: Readonly<Record<string, string>>;
  readonly restartCount: number;
}

/** A container's mounts: its volumes, its termination log, and the pod's hosts file unless a volume covers it. */
export async function containerMounts(pod: Pod, container: Container, context: MountContext): Promise<Mount[]> {
  const volumes = await Promise.all((container.volumeMounts ?? []).map((mount) => volumeMount(pod, mount, context)));
  const uid = pod.metadata?.uid ?? '';
  const mounts = [...volumes, await terminationLog(uid, container, context)];
  const hosts = hostsFile(uid, context.paths);
  const covered = volumes.some((mount) => mount.containerPath === '/etc/hosts');
  if (!covered) mounts.push({ containerPath: '/etc/hosts', hostPath: hosts });
  return mounts;
}

type VolumeMount = NonNullable<Container['volumeMounts']>[number];

async function volumeMount(pod: Pod, mount: VolumeMount, context: MountContext): Promise<Mount> {
  const root = context.volumes.get(mount.name);
  if (root === undefined) throw new Error(`cannot find volume "${mount.name}" to mount into container`);
  const { persistentVolumeClaim: claim, image } = pod.spec?.volumes?.find(({ name }) => name === mount.name) ?? {};
  const subPath = mount.subPathExpr ? expandSubPath(mount.subPathExpr, context.env) : mount.subPath;
  return {
    containerPath: path.isAbsolute(mount.mountPath) ? mount.mountPath : `/${mount.mountPath}`,
    hostPath: subPath ? await resolveSubPath(root, subPath) : root,
    readonly: mount.readOnly || claim?.readOnly || image !== undefined,
    propagation: propagation(mount.mountPropagation),
  };
}

/** Unlike in a command, a variable that is not there is an error here. */
function expandSubPath(expression: string, env: Readonly<Record<string, string>>): string {
  const missing = variablesOf(expression).find((name) => env[name] === undefined);
  if (missing !== undefined) throw new Error(`missing value for ${JSON.stringify(missing)}`);
  const subPath = expand(expression, env);
  if (path.isAbsolute(subPath)) throw new Error(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..')) throw new Error(`subPath ${subPath} must not contain '..'`);
  return subPath;
}

function propagation(asked: string | undefined): number {
  if (asked === 'Bidirectional') return mountPropagation.bidirectional;
  return asked === 'HostToContainer' ? mountPropagation.hostToContainer : mountPropagation.private;
}

/** Makes the folder where there is nothing, and refuses a path that leads out of its volume, by links too. */
async function resolveSubPath(root: string, subPath: string): Promise<string> {
  const asked = path.join(root, subPath);
  const within = (target: string, base: string) => target === base || target.startsWith(`${base}${path.sep}`);
  if (!within(asked, root)) throw new Error(`subPath ${subPath} leads out of the volume`);
  const base = await realpath(root);
  const present = await presentPart(asked);
  // A link to nowhere is there, and leads nowhere.
  const real = await realpath(present).catch(() => '');
  if (!within(real, base)) throw new Error(`subPath ${subPath} leads out of the volume`);
  if (present !== asked) await makeFolders(present, asked, (await stat(base)).mode & 0o7777);
  return await realpath(asked);
}

/** The path, or the nearest folder on the way to it that is there. */
async function presentPart(asked: string): Promise<string> {
  const exists = await lstat(asked).then(
    () => true,
    () => false,
  );
  return exists ? asked : await presentPart(path.dirname(asked));
}

/** Each with the mode of the volume, whatever the process' mask. */
async function makeFolders(from: string, to: string, mode: number): Promise<void> {
  let folder = from;
  for (const name of path.relative(from, to).split(path.sep)) {
    folder = path.join(folder, name);
    await mkdir(folder, { recursive: true });
    await chmod(folder, mode);
  }
}

export function terminationLogFile(uid: string, container: string, restartCount: number, paths: KubeletPaths): string {
  return path.join(paths.container(uid, container), String(restartCount));
}

async function terminationLog(uid: string, container: Container, context: MountContext): Promise<Mount> {
  const file = terminationLogFile(uid, container.name, context.restartCount, context.paths);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, '');
  await chmod(file, 0o666);
  return { containerPath: terminationMessagePath(container), hostPath: file };
}

const hostsFile = (uid: string, paths: KubeletPaths): string => path.join(paths.pod(uid), 'etc-hosts');

export interface HostsEntry {
  readonly hostname: string;
  readonly fqdn?: string;
  readonly podIPs: readonly string[];
}

/** A pod's /etc/hosts as the kubelet writes it: the loopback and the pod's own names, or the node's file, and `hostAliases`. */
export async function writeHostsFile(pod: Pod, entry: HostsEntry, paths: KubeletPaths): Promise<void> {
  const own = pod.spec?.hostNetwork ? await nodeHosts() : podHosts(entry);
  const file = hostsFile(pod.metadata?.uid ?? '', paths);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${own}${aliases(pod)}`);
}

async function nodeHosts(): Promise<string> {
  return `# Kubernetes-managed hosts file (host network).\n${await readFile('/etc/hosts', 'utf8')}`;
}

function podHosts({ fqdn, hostname, podIPs }: HostsEntry): string {
  const names = [...(fqdn ? [fqdn] : []), hostname].join('\t');
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIPs.map((ip) => `${ip}\t${names}`),
  ];
  return `${lines.join('\n')}\n`;
}

function aliases(pod: Pod): string {
  const entries = pod.spec?.hostAliases ?? [];
  if (entries.length === 0) return '';
  const lines = entries.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`);
  return `\n# Entries added by HostAliases.\n${lines.join('\n')}\n`;
}
