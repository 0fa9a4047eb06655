import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import { KnitError } from '../base/errors.ts';
import { cgroupControllers, cgroupMode } from '../kernel/cgroup.ts';
import { checkIptables } from '../kernel/iptables.ts';
import { tryRun } from '../kernel/run.ts';
import type { ProxyMode } from '../proxy/index.ts';
import { cniPluginFolder, containerdVersion } from './containerd.ts';
import { stateRoot } from './paths.ts';

/** One thing that a cluster needs of the machine. */
export interface Check {
  readonly name: string;
  /** `broken`: no cluster starts; `poor`: it starts, and may meet a limit. */
  readonly state: 'ok' | 'poor' | 'broken';
  readonly found: string;
  /** What to do where it is not ok. */
  readonly mend?: string;
}

export interface ExamineOptions {
  /** Default `user`. */
  readonly uplink?: 'user' | 'nat' | 'none';
  /** iptables is looked for only where a cluster uses it. Default `nftables`. */
  readonly proxyMode?: ProxyMode | 'none';
}

/** Looks at everything that a cluster needs, and changes nothing. */
export async function examine(options: ExamineOptions = {}): Promise<Check[]> {
  const root = rootCheck();
  const [containerd, iptables, namespaces] = await Promise.all([
    check('containerd', async () => (await containerdVersion()).text),
    Promise.all(options.proxyMode === 'iptables' ? [iptablesCheck()] : []),
    Promise.all(root.state === 'ok' ? [namespacesCheck()] : []),
  ]);
  return [
    root,
    kernelCheck(),
    ...commands(options.uplink ?? 'user').map(commandCheck),
    optionalCheck('haproxy', 'Ingresses are not served'),
    optionalCheck('tcpdump', 'knit trace sees no packets'),
    ...iptables,
    containerd,
    await check('CNI plugins', () => cniPluginFolder()),
    cgroupCheck(),
    overlayCheck(),
    ...limits.map(limitCheck),
    diskCheck(),
    ...namespaces,
  ];
}

interface NeededCommand {
  readonly command: string;
  readonly package: string;
}

function commands(uplink: string): NeededCommand[] {
  const always = {
    ip: 'iproute2',
    nft: 'nftables',
    conntrack: 'conntrack',
    nsenter: 'util-linux',
    unshare: 'util-linux',
    containerd: 'containerd',
    ctr: 'containerd',
    runc: 'runc',
  };
  const needed = uplink === 'user' ? { ...always, slirp4netns: 'slirp4netns' } : always;
  return Object.entries(needed).map(([command, name]) => ({ command, package: name }));
}

function commandCheck({ command, package: name }: NeededCommand): Check {
  const path = findCommand(command);
  if (path) return { name: command, state: 'ok', found: path };
  return {
    name: command,
    state: 'broken',
    found: 'not installed',
    mend: `install the package ${name}: apt-get install ${name}`,
  };
}

/** A cluster starts without it. */
function optionalCheck(command: string, without: string): Check {
  const found = commandCheck({ command, package: command });
  return found.state === 'ok' ? found : { ...found, state: 'poor', found: `not installed: ${without}` };
}

/** Full path of a command, also where `/usr/sbin` is not searched. */
export function findCommand(command: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders
    .map((folder) => join(folder, command))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false; // not there, or not for us
      }
    });
}

function iptablesCheck(): Promise<Check> {
  return check('iptables', async () => {
    const missing = ['iptables-restore', 'ip6tables-restore'].map((command) =>
      commandCheck({ command, package: 'iptables' }),
    );
    const broken = missing.find((each) => each.state === 'broken');
    if (broken) throw new KnitError('COMMAND_MISSING', `${broken.name} is not installed`, broken.mend);
    return await checkIptables();
  });
}

function rootCheck(): Check {
  if (process.getuid?.() === 0) return { name: 'root', state: 'ok', found: 'yes' };
  return {
    name: 'root',
    state: 'broken',
    found: 'no',
    mend: 'knit makes network namespaces, which needs root: run it with sudo',
  };
}

function kernelCheck(): Check {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 15)) return { name: 'kernel', state: 'ok', found: release() };
  return { name: 'kernel', state: 'broken', found: release(), mend: 'knit needs Linux 5.15 or newer' };
}

const cgroupVersions = { v2: 'version 2', hybrid: 'version 1, with version 2 beside it', v1: 'version 1' };

/** `root`: where cgroups are mounted. */
export function cgroupCheck(root?: string): Check {
  const name = 'cgroups';
  const controllers = cgroupControllers(root);
  if (controllers.length === 0)
    return { name, state: 'broken', found: 'not mounted', mend: 'mount -t cgroup2 none /sys/fs/cgroup' };
  const found = cgroupVersions[cgroupMode(root)];
  const missing = ['cpu', 'memory', 'pids'].filter((controller) => !controllers.includes(controller));
  if (missing.length === 0) return { name, state: 'ok', found };
  return {
    name,
    state: 'broken',
    found: `${found}, without the ${missing.length === 1 ? 'controller' : 'controllers'} ${missing.join(', ')}`,
    // Boards with little memory start their kernels so.
    mend: `boot the kernel with cgroup_enable=${missing.join(',')}, and without cgroup_disable=`,
  };
}

/** `root`: the folder that holds `/proc` and `/lib`. A module is loaded by the kernel with the first mount. */
export function overlayCheck(root = '/', kernel = release()): Check {
  const name = 'overlayfs';
  if (readFileSync(join(root, 'proc/filesystems'), 'utf8').includes('\toverlay\n'))
    return { name, state: 'ok', found: 'yes' };
  const modules = join(root, 'lib/modules', kernel, 'modules.dep');
  if (existsSync(modules) && /\/overlay\.ko[.:]/.test(readFileSync(modules, 'utf8')))
    return { name, state: 'ok', found: 'a module, loaded when first used' };
  return { name, state: 'broken', found: 'no', mend: 'load it: modprobe overlay' };
}

interface Limit {
  readonly name: string;
  readonly path: string;
  readonly least: number;
  readonly setting: string;
}

/** What kind's users meet first when several nodes share a machine. */
const limits: readonly Limit[] = [
  {
    name: 'inotify instances',
    path: '/proc/sys/fs/inotify/max_user_instances',
    least: 128,
    setting: 'fs.inotify.max_user_instances=512',
  },
  {
    name: 'inotify watches',
    path: '/proc/sys/fs/inotify/max_user_watches',
    least: 8192,
    setting: 'fs.inotify.max_user_watches=524288',
  },
  { name: 'open files', path: '/proc/sys/fs/file-max', least: 65536, setting: 'fs.file-max=1000000' },
  {
    name: 'tracked connections',
    path: '/proc/sys/net/netfilter/nf_conntrack_max',
    least: 16384,
    setting: 'net.netfilter.nf_conntrack_max=262144',
  },
];

function limitCheck({ name, path, least, setting }: Limit): Check {
  const value = existsSync(path) ? Number(readFileSync(path, 'utf8')) : Number.NaN;
  if (Number.isNaN(value)) return { name, state: 'ok', found: 'set when first used' };
  // systemd sets the largest number that the kernel knows.
  if (!Number.isSafeInteger(value)) return { name, state: 'ok', found: 'without limit' };
  if (value >= least) return { name, state: 'ok', found: String(value) };
  return { name, state: 'poor', found: `${value}, less than ${least}`, mend: `sysctl -w ${setting}` };
}

function diskCheck(): Check {
  const { bavail, bsize } = statfsSync(existsSync(stateRoot) ? stateRoot : '/var/lib');
  const mib = Math.floor((bavail * bsize) / 2 ** 20);
  if (mib >= 1024) return { name: 'disk', state: 'ok', found: `${mib} MiB free in ${stateRoot}` };
  const state = mib >= 200 ? 'poor' : 'broken';
  return { name: 'disk', state, found: `${mib} MiB free in ${stateRoot}`, mend: 'free a gigabyte there' };
}

/** The one check that tries: a namespace with a veth, a NAT rule and a map, which goes when its process ends. */
async function namespacesCheck(): Promise<Check> {
  const rules =
    'table ip t { map m { type ipv4_addr : ipv4_addr; }; chain c { type nat hook postrouting priority srcnat; masquerade; snat to ip saddr map @m; }; }';
  const script = `ip link add knit0 type veth peer name knit1 && nft '${rules}'`;
  const { code, stderr } = await tryRun('unshare', ['--net', '--mount', '--uts', 'sh', '-c', script]);
  if (code === 0) return { name: 'namespaces, veth, nftables NAT', state: 'ok', found: 'work' };
  return {
    name: 'namespaces, veth, nftables NAT',
    state: 'broken',
    found: stderr.trim().split('\n')[0] ?? '',
    mend: 'load veth, nf_tables, nft_nat, nft_masq and nf_conntrack, or use a kernel that has them',
  };
}

async function check(name: string, look: () => Promise<string> | string): Promise<Check> {
  try {
    return { name, state: 'ok', found: await look() };
  } catch (error) {
    const { message, hint } = error instanceof KnitError ? error : { message: String(error), hint: undefined };
    return { name, state: 'broken', found: message, mend: hint };
  }
}
