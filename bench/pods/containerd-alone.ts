import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '../../src/api/types.ts';
import { clusterPaths } from '../../src/cluster/paths.ts';
import { nodeCgroup } from '../../src/cluster/running.ts';
import { removeCgroupTree } from '../../src/kernel/cgroup.ts';
import { containerConfig } from '../../src/kubelet/container-config.ts';
import { type CriClient, createCriClient } from '../../src/kubelet/cri/client.ts';
import { type KubeletPaths, kubeletPaths } from '../../src/kubelet/paths.ts';
import { sandboxConfig } from '../../src/kubelet/sandbox-config.ts';
import type { TestCluster } from '../../test/support/cluster.ts';

interface Asked {
  readonly pods: number;
  readonly image: string;
}

interface Node {
  readonly cri: CriClient;
  readonly cgroupParent: string;
}

/**
 * Seconds in which the nodes' containerds start as many pods, asked for as fast as they take them. Each is the sandbox
 * and the container that a kubelet asks for (namespaces, cgroup, seccomp, what is hidden in /proc, a log), without what
 * it does beside that: no volumes, no looks at what has become of them.
 */
export async function containerdAlone({ config }: TestCluster, { pods, image }: Asked): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'knit-bench-alone-'));
  const paths = kubeletPaths(scratch);
  const nodes: Node[] = config.nodes.map(({ name }) => ({
    cri: createCriClient(clusterPaths(config.name).node(name).containerdSocket),
    cgroupParent: `/${nodeCgroup(config.name, name)}/alone`,
  }));
  const sandboxes: { cri: CriClient; id: string }[] = [];
  const began = performance.now();
  const starts = Array.from({ length: pods }, async (_, index) => {
    const node = nodes[index % nodes.length]!;
    sandboxes.push({ cri: node.cri, id: await startPod(node, podOf(image), paths) });
  });
  await Promise.all(starts);
  const seconds = (performance.now() - began) / 1000;
  await Promise.all(
    sandboxes.map(async ({ cri, id }) => {
      await cri.stopPodSandbox(id);
      await cri.removePodSandbox(id);
    }),
  );
  for (const { cri, cgroupParent } of nodes) {
    cri.close();
    await removeCgroupTree(cgroupParent);
  }
  rmSync(scratch, { recursive: true });
  return seconds;
}

function podOf(image: string): Pod {
  const uid = randomUUID();
  return { metadata: { name: uid, namespace: 'alone', uid }, spec: { containers: [{ name: 'web', image }] } };
}

async function startPod({ cri, cgroupParent }: Node, pod: Pod, paths: KubeletPaths): Promise<string> {
  const dns = { servers: [], searches: [], options: [] };
  // Without the labels by which the node's kubelet would find, and end, pods that it does not know.
  const sandbox = {
    ...sandboxConfig(pod, 0, { paths, cgroupParent, clusterDomain: 'cluster.local', dns }),
    labels: {},
  };
  const [container] = pod.spec?.containers ?? [];
  if (!container) throw new Error('a pod without a container');
  mkdirSync(join(sandbox.logDirectory ?? '', container.name), { recursive: true });
  const id = await cri.runPodSandbox(sandbox);
  const config = containerConfig(pod, container, {
    paths,
    env: {},
    mounts: [],
    imageRef: container.image ?? '',
    imageUser: { uid: undefined, username: '' },
    restartCount: 0,
    targetId: undefined,
    limits: { memoryBytes: 2 ** 30, oomKillsAll: false, podPids: -1 },
  });
  await cri.startContainer(await cri.createContainer(id, { ...config, labels: {} }, sandbox));
  return id;
}
