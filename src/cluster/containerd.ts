import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KnitError, messageOf } from '../base/errors.ts';
import { run } from '../kernel/run.ts';
import { writeFileAtomically } from './config.ts';
import type { NodePaths } from './paths.ts';
import type { ClusterSpec } from './spec.ts';

export const pauseImage = 'knit.dev/pause:1';

export interface ContainerdVersion {
  readonly major: number;
  readonly minor: number;
  /** `1.6.20` */
  readonly text: string;
}

let askedVersion: Promise<ContainerdVersion> | undefined;

/** The installed version, asked once. Throws `CONTAINERD_TOO_OLD` below 1.6. */
export function containerdVersion(): Promise<ContainerdVersion> {
  askedVersion ??= askVersion();
  return askedVersion;
}

async function askVersion(): Promise<ContainerdVersion> {
  const text = await run('containerd', ['--version']);
  const [, version = '', major, minor] = /\sv?((\d+)\.(\d+)[^\s]*)/.exec(text) ?? [];
  const found = { major: Number(major), minor: Number(minor), text: version };
  if (found.major > 1 || (found.major === 1 && found.minor >= 6)) return found;
  throw new KnitError(
    'CONTAINERD_TOO_OLD',
    `containerd ${version || text.trim()} is too old`,
    'install containerd 1.6 or newer',
  );
}

/** Folders in which distributions put CNI's reference plugins. */
export function cniPluginFolder(): string {
  const found = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'].find((folder) => existsSync(join(folder, 'ptp')));
  if (found) return found;
  throw new KnitError(
    'CNI_PLUGINS_MISSING',
    'the CNI plugin ptp was not found',
    'install the package containernetworking-plugins',
  );
}

/** Writes a node's containerd configuration, in the form that the installed version reads. */
export async function writeContainerdConfig(paths: NodePaths, spec: ClusterSpec): Promise<void> {
  const { major } = await containerdVersion();
  for (const folder of [paths.containerdState, paths.cniConf]) mkdirSync(folder, { recursive: true });
  writeRegistries(paths, spec);
  const text = major >= 2 ? version3(paths, cniPluginFolder()) : version2(paths, cniPluginFolder());
  writeFileAtomically(paths.containerdConfig, text);
}

/** containerd 1.6 and 1.7. */
function version2(paths: NodePaths, plugins: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
${common(paths)}
[${cri}]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = ${!mayLowerOomScore()}
${streaming}
[${cri}.containerd]
  snapshotter = "overlayfs"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.cni]
  bin_dir = "${plugins}"
  conf_dir = "${paths.cniConf}"
[${cri}.registry]
  config_path = "${paths.registries}"
`;
}

/** containerd 2.0 and later: CRI is two plugins. */
function version3(paths: NodePaths, plugins: string): string {
  const runtime = "plugins.'io.containerd.cri.v1.runtime'";
  const images = "plugins.'io.containerd.cri.v1.images'";
  return `version = 3
${common(paths)}
[plugins.'io.containerd.grpc.v1.cri']
${streaming}
[${images}]
  snapshotter = "overlayfs"
[${images}.pinned_images]
  sandbox = "${pauseImage}"
[${images}.registry]
  config_path = "${paths.registries}"
[${runtime}]
  restrict_oom_score_adj = ${!mayLowerOomScore()}
[${runtime}.containerd]
  default_runtime_name = "runc"
[${runtime}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${runtime}.cni]
  bin_dir = "${plugins}"
  conf_dir = "${paths.cniConf}"
`;
}

/** Whether processes here may be shielded from the OOM killer; without CAP_SYS_RESOURCE runc fails when it tries. */
function mayLowerOomScore(): boolean {
  const path = '/proc/self/oom_score_adj';
  const present = readFileSync(path, 'utf8');
  try {
    writeFileSync(path, '-999');
    writeFileSync(path, present);
    return true;
  } catch {
    return false; // EACCES
  }
}

const streaming = `  stream_server_address = "127.0.0.1"
  stream_server_port = "0"`;

/** A containerd that only keeps images, in a form that every version reads. */
export function imagesOnlyConfig({ root, state, socket }: Places): string {
  return `version = 2\n${places({ root, state, socket }, [...unusedPlugins, 'io.containerd.grpc.v1.cri'])}`;
}

interface Places {
  readonly root: string;
  readonly state: string;
  readonly socket: string;
}

function common(paths: NodePaths): string {
  const { containerdRoot: root, containerdState: state, containerdSocket: socket } = paths;
  return places({ root, state, socket }, unusedPlugins);
}

function places({ root, state, socket }: Places, disabled: readonly string[]): string {
  return `root = "${root}"
state = "${state}"
disabled_plugins = [${disabled.map((name) => `"${name}"`).join(', ')}]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
`;
}

/** They cost time at the start and memory, and no pod needs them. */
const unusedPlugins = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.snapshotter.v1.native',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.internal.v1.opt',
];

/** One folder a registry, as containerd's `hosts.toml` describes. */
function writeRegistries(paths: NodePaths, spec: ClusterSpec): void {
  const { mirrors, cas } = spec.registries;
  mkdirSync(paths.registries, { recursive: true });
  for (const registry of new Set([...Object.keys(mirrors), ...Object.keys(cas)])) {
    const folder = join(paths.registries, registry);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'hosts.toml'),
      hostsToml(registry, mirrors[registry] ?? [], (host) => caFile(cas, host, folder)),
    );
  }
}

/** A copy: what the file's path leads to may not be seen by the node, whose `/run` is its own. */
function caFile(cas: ClusterSpec['registries']['cas'], host: string, folder: string): string | undefined {
  const source = cas[host];
  if (source === undefined) return undefined;
  const copy = join(folder, `${host}.crt`);
  writeFileSync(copy, readCA(host, source));
  return copy;
}

/** Throws `REGISTRY_CA_UNREADABLE` where there is no PEM file. */
export function readCA(host: string, path: string): string {
  const hint = `registries.cas.${host} in the cluster file is the path of the CA's certificate, in PEM form`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new KnitError('REGISTRY_CA_UNREADABLE', `the CA of ${host} cannot be read: ${messageOf(error)}`, hint);
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new KnitError('REGISTRY_CA_UNREADABLE', `the CA of ${host}, ${path}, holds no certificate`, hint);
}

/** Each place is asked in turn; the certificate of each is checked by the CA of its own host. */
export function hostsToml(
  registry: string,
  mirrors: readonly string[],
  caOf: (host: string) => string | undefined,
): string {
  const server = `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`;
  const hosts = mirrors.map((url) => {
    const ca = url.startsWith('https:') && caOf(new URL(url).host);
    return `[host."${url}"]\n  capabilities = ["pull", "resolve"]\n${ca ? `  ca = "${ca}"\n` : ''}`;
  });
  const ownCA = caOf(registry);
  return `server = "${server}"\n${ownCA ? `ca = "${ownCA}"\n` : ''}${hosts.join('')}`;
}
