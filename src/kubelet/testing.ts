import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { waitFor } from '../base/wait.ts';
import { run } from '../kernel/run.ts';
import { type CriClient, createCriClient } from './cri/client.ts';
import { unmountBelow } from './volumes/tmpfs.ts';

/** The image that tests run: a static busybox, as its own pause container and as whatever a test needs. */
export const testImage = 'docker.io/library/busybox:test';
/** The one that `scripts/build.ts` made images of: a machine's own may be shared with libraries, or missing. */
const staticBusybox = path.join(import.meta.dirname, '../../dist/images/busybox');

/** A containerd of the test's own. Call only inside {@link runInTestNode}. */
export interface TestContainerd {
  /** Scratch space, removed by `stop`. */
  readonly folder: string;
  readonly socket: string;
  readonly cri: CriClient;
  /** Kills containerd as a crash would; its containers go on. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Where the test's pods stand in the cgroup tree; {@link runInTestNode} removes it afterwards. */
export const testCgroup = (): string => `/${process.env.KNIT_TEST_CGROUP}`;

/** One test of a file may take this long, and a file that hangs ends after this time with all that it started. */
const TEST_TIMEOUT_MS = 120_000;
const SUITE_TIMEOUT_MS = 300_000;

/**
 * Runs a test file inside mount, network, UTS and process namespaces of its own, as a node agent would: whatever the
 * file leaves behind, a crash included, ends with its first process. Throws what the file reports where a test of it
 * fails.
 */
export async function runInTestNode(file: string): Promise<void> {
  const cgroup = `knit-t-kubelet-${process.pid}`;
  const unshare = ['--mount', '--net', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const node = [process.execPath, `--test-timeout=${TEST_TIMEOUT_MS}`, file];
  const child = spawn('unshare', [...unshare, '--propagation', 'private', ...node], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Without NODE_TEST_CONTEXT the inner file reports to people, not to the outer runner.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, KNIT_TEST_CGROUP: cgroup },
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), SUITE_TIMEOUT_MS);
  const [report, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  clearTimeout(deadline);
  await removeCgroups(cgroup);
  if (code === 0) return;
  const ended = code === null ? `did not end within ${SUITE_TIMEOUT_MS / 1000} s` : 'failed';
  throw new Error(`${path.basename(file)} ${ended}:\n${failuresOf(report)}\n${errors}`);
}

/** The part of a test report that tells of failures, which is its end; all of it where it broke off before. */
function failuresOf(report: string): string {
  return report.slice(Math.max(0, report.indexOf('✖ failing tests:')));
}

/** Controllers' folders on cgroup v1, the one tree on v2. */
function cgroupRoots(): string[] {
  const root = '/sys/fs/cgroup';
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [root, ...folders.map((entry) => path.join(root, entry.name))];
}

async function removeCgroups(name: string): Promise<void> {
  for (const root of cgroupRoots()) {
    const folder = path.join(root, name);
    // A killed process leaves its cgroup a moment after its parent saw it end.
    await waitFor(() => removeCgroupTree(folder), { what: `cgroup ${folder} to empty`, timeoutMs: 30_000 });
  }
}

function removeCgroupTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeCgroupTree(path.join(folder, entry.name));
    }
    rmdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return true;
}

export async function startTestContainerd(podCIDR = '10.88.0.0/24'): Promise<TestContainerd> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'knit-t-kubelet-'));
  const socket = path.join(folder, 'containerd.sock');
  await preparePrivateFolders();
  mkdirSync(path.join(folder, 'cni'));
  writeFileSync(path.join(folder, 'cni/10-test.conflist'), JSON.stringify(networkConfig(folder, podCIDR)));
  writeFileSync(path.join(folder, 'config.toml'), containerdConfig(folder, socket));
  const cri = createCriClient(socket);
  let daemon: ChildProcess | undefined;

  const start = async () => {
    const log = openSync(path.join(folder, 'containerd.log'), 'a');
    daemon = spawn('containerd', ['--config', path.join(folder, 'config.toml')], { stdio: ['ignore', log, log] });
    await waitFor(async () => (await cri.version()).runtimeName, { what: 'containerd to answer', timeoutMs: 30_000 });
  };
  const kill = async (signal: NodeJS.Signals) => {
    const running = daemon;
    daemon = undefined;
    if (!running || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await ended;
  };

  await start();
  await importTestImage(folder, socket);
  return {
    folder,
    socket,
    cri,
    start,
    kill: () => kill('SIGKILL'),
    async stop() {
      // All of it, the last first, whatever fails: a containerd that goes on would keep the test from ending.
      await using steps = new AsyncDisposableStack();
      steps.defer(() => rmSync(folder, { recursive: true, force: true }));
      steps.defer(() => unmountBelow(folder));
      steps.defer(() => kill('SIGTERM'));
      steps.defer(() => cri.close());
      steps.defer(() => removeAllPods(cri));
    },
  };
}

/**
 * What containerd and CNI write outside of their configured folders, whatever these say. All of `/run` and `/var/lib` are
 * the test's own: a mount on a folder below goes when somebody removes that folder, as the end of a cluster does.
 */
async function preparePrivateFolders(): Promise<void> {
  const resolver = realpathSync('/etc/resolv.conf');
  const nameservers = readFileSync(resolver);
  for (const folder of ['/run', '/var/lib']) await run('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
  mkdirSync('/run/netns');
  if (resolver.startsWith('/run/')) {
    mkdirSync(path.dirname(resolver), { recursive: true });
    writeFileSync(resolver, nameservers);
  }
  await run('ip', ['link', 'set', 'lo', 'up']);
}

async function removeAllPods(cri: CriClient): Promise<void> {
  for (const sandbox of await cri.listPodSandboxes()) {
    await cri.stopPodSandbox(sandbox.id);
    await cri.removePodSandbox(sandbox.id);
  }
}

function networkConfig(folder: string, subnet: string): unknown {
  const dataDir = path.join(folder, 'addresses');
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] };
  return { cniVersion: '0.4.0', name: 'test', plugins: [{ type: 'ptp', ipam }] };
}

function containerdConfig(folder: string, socket: string): string {
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${testImage}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${folder}/cni"
`;
}

/** An OCI archive with busybox under all its names. Its command waits and leaves no zombies, as a pause container. */
async function importTestImage(folder: string, socket: string): Promise<void> {
  const rootfs = path.join(folder, 'rootfs');
  for (const name of ['bin', 'tmp', 'etc']) mkdirSync(path.join(rootfs, name), { recursive: true });
  await run('cp', [staticBusybox, path.join(rootfs, 'bin/busybox')]);
  await run('chroot', [rootfs, '/bin/busybox', '--install', '-s', '/bin']);
  const layout = path.join(folder, 'image');
  const blobs = path.join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (content: Buffer) => {
    const digest = createHash('sha256').update(content).digest('hex');
    writeFileSync(path.join(blobs, digest), content);
    return { digest: `sha256:${digest}`, size: content.length };
  };
  const putJson = (value: unknown) => put(Buffer.from(JSON.stringify(value)));
  await run('tar', ['-C', rootfs, '-cf', path.join(folder, 'layer.tar'), '.']);
  const layer = put(readFileSync(path.join(folder, 'layer.tar')));
  const config = putJson({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh', '-c', "trap '' CHLD; exec sleep 2147483647"] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const manifest = putJson({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  });
  const annotations = { 'io.containerd.image.name': testImage };
  const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest, annotations };
  writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  writeFileSync(path.join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await run('tar', ['-C', layout, '-cf', path.join(folder, 'image.tar'), '.']);
  await run('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', path.join(folder, 'image.tar')]);
}
