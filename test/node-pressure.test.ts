import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Event, Node, Pod } from '../src/api/types.ts';
import { clusterPaths } from '../src/cluster/paths.ts';
import { run } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { writeDockerArchive } from './support/docker-archive.ts';
import { machineState } from './support/machine.ts';

const name = 'node-pressure';
let cluster: TestCluster;
let pristine: string[];
let scratch: string;

/** Disks of their own for a node's volumes and for another one's images, so small that a pod fills them. */
const disks = { 'node-1': 'kubelet', 'node-2': 'kubelet', 'node-3': 'containerdRoot' } as const;
const diskMiB = { 'node-1': 64, 'node-2': 64, 'node-3': 192 };
const leastFree = '24Mi';
/** A soft threshold has to be passed for so long. */
const softSeconds = 5;
/** Processes that the fourth node misses, and that nobody else on the machine may start meanwhile. */
const margin = 2_500;

before(async () => {
  pristine = await machineState(name);
  scratch = mkdtempSync(join(tmpdir(), `knit-test-${name}-`));
  const settings = { evictionPressureTransitionPeriod: '1s' };
  const file = {
    apiVersion: 'knit.dev/v1alpha1',
    kind: 'Cluster',
    network: { uplink: 'none' },
    nodes: [
      {
        name: 'node-1',
        kubelet: {
          ...settings,
          evictionSoft: { 'nodefs.available': leastFree },
          evictionSoftGracePeriod: { 'nodefs.available': `${softSeconds}s` },
          evictionMaxPodGracePeriod: 20,
        },
      },
      { name: 'node-2', kubelet: { ...settings, evictionHard: { 'nodefs.available': leastFree } } },
      { name: 'node-3', kubelet: { ...settings, evictionHard: { 'imagefs.available': leastFree } } },
      { name: 'node-4', kubelet: { ...settings, evictionHard: { 'pid.available': String(freeProcesses() - margin) } } },
      {
        name: 'node-5',
        kubelet: { imageGCHighThresholdPercent: 1, imageGCLowThresholdPercent: 0, imageMinimumGCAge: '0s' },
      },
    ],
  };
  writeFileSync(join(scratch, 'cluster.yaml'), JSON.stringify(file));
  cluster = await startCluster(name, ['-f', join(scratch, 'cluster.yaml')]);
  // The runtime counts what containers write every ten seconds: until then the less important pod goes first.
  await cluster.kubectl(['create', 'priorityclass', 'important', '--value=1000', '--description=stays']);
  for (const [node, folder] of Object.entries(disks)) await onDiskOfItsOwn(node as keyof typeof disks, folder);
});

after(async () => {
  for (const [node, folder] of Object.entries(disks)) {
    await cluster.knit(['node', 'stop', node]);
    await run('umount', [clusterPaths(name).node(node)[folder]]);
  }
  rmSync(scratch, { recursive: true });
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

describe('a node that runs short', { concurrency: true }, () => {
  test('of room for volumes tells of it, ends the pod that takes most, and has it again', async () => {
    await apply('node-2', 'modest', 'sleep 1000', { priorityClassName: 'important' });
    await runs('modest');
    await apply('node-2', 'hungry', 'dd if=/dev/zero of=/v/file bs=1M count=48; sleep 1000');
    await isShort('node-2', 'hungry', {
      condition: 'DiskPressure',
      taint: 'disk-pressure',
      resource: 'ephemeral-storage',
      reasons: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
      told: /^The node was low on resource: ephemeral-storage\. Threshold quantity: 24Mi, available: \d+Ki\. /,
    });
    assert.equal((await pod('modest')).status?.phase, 'Running');
  });

  test('by a soft threshold only, ends it when that has lasted, and lets it end by itself', async () => {
    const writing = 'dd if=/dev/zero of=/v/file bs=1M count=48; while :; do sleep 0.1; done';
    await apply('node-1', 'patient', `trap 'sleep 2; exit 3' TERM; ${writing}`, { terminationGracePeriodSeconds: 60 });
    const { status } = await eventually('DiskPressure', async () => {
      const { status } = await cluster.get<Node>('node', 'node-1');
      const condition = status?.conditions?.find(({ type }) => type === 'DiskPressure');
      return condition?.status === 'True' && { status: condition };
    });
    await isShort('node-1', 'patient', {
      condition: 'DiskPressure',
      taint: 'disk-pressure',
      resource: 'ephemeral-storage',
      reasons: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
      told: /^The node was low on resource: ephemeral-storage\. Threshold quantity: 24Mi, available: /,
    });
    const ended = (await pod('patient')).status?.containerStatuses?.[0]?.state?.terminated;
    assert.equal(ended?.exitCode, 3);
    const seconds = (Date.parse(ended?.finishedAt ?? '') - Date.parse(status.lastTransitionTime ?? '')) / 1000;
    assert.ok(seconds >= softSeconds, `it had ${seconds} s`);
  });

  test('of room for images and containers’ files does so too', async () => {
    const { bavail, bsize } = statfsSync(clusterPaths(name).node('node-3').containerdRoot);
    const almostAll = Math.floor((bavail * bsize) / 2 ** 20) - 12;
    await apply('node-3', 'innocent', 'sleep 1000', { priorityClassName: 'important' });
    await runs('innocent');
    await apply('node-3', 'writing', `dd if=/dev/zero of=/tmp/file bs=1M count=${almostAll}; sleep 1000`);
    await isShort('node-3', 'writing', {
      condition: 'DiskPressure',
      taint: 'disk-pressure',
      resource: 'ephemeral-storage',
      reasons: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
      told: /^The node was low on resource: ephemeral-storage\. Threshold quantity: 24Mi, available: /,
    });
    // What the container has written went with it: nobody else had to go.
    assert.equal((await pod('innocent')).status?.phase, 'Running');
  });

  test('of process numbers ends the pod that has most of them', async () => {
    const fork = `i=0; while [ $i -lt ${2 * margin} ]; do sleep 1000 & i=$((i+1)); done; sleep 1000`;
    await apply('node-4', 'forking', fork);
    await isShort('node-4', 'forking', {
      condition: 'PIDPressure',
      taint: 'pid-pressure',
      resource: 'pids',
      reasons: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
      told: /^The node was low on resource: pids\. Threshold quantity: \d+, available: \d+\. $/,
    });
  });

  test('of room for images collects those that nobody uses, and none that came with knit', async () => {
    const image = 'example.com/idle:1';
    writeDockerArchive(join(scratch, 'idle.tar'), image);
    const load = ['image', 'load', '--node', 'node-5', '--', join(scratch, 'idle.tar')];
    // A kubelet looks soon after it begins, and then every five minutes: what it finds half loaded it takes away.
    await eventually('the image to be loaded', async () => /idle:1/.test((await cluster.tryKnit(load)).stdout));
    const images = async () => (await cluster.knit(['image', 'list'])).split('\n');
    await cluster.knit(['node', 'stop', 'node-5']);
    await cluster.knit(['node', 'start', 'node-5']);
    await eventually('the image to go', async () => !(await images()).some((line) => line.startsWith(image)));
    assert.ok((await images()).some((line) => /^knit\.dev\/lab:1 .*(all nodes|node-5)/.test(line)));
  });
});

interface Shortage {
  readonly condition: string;
  readonly taint: string;
  readonly resource: string;
  /** Of the events that tell of its begin and its end. */
  readonly reasons: readonly [string, string];
  readonly told: RegExp;
}

async function isShort(node: string, guilty: string, shortage: Shortage): Promise<void> {
  const { condition, taint, resource, reasons, told } = shortage;
  const state = async () => {
    const { spec, status } = await cluster.get<Node>('node', node);
    return {
      status: status?.conditions?.find(({ type }) => type === condition)?.status,
      isTainted: spec?.taints?.some(({ key }) => key === `node.kubernetes.io/${taint}`) ?? false,
    };
  };
  await eventually(`${condition} of ${node}`, async () => (await state()).status === 'True');
  await eventually('its taint, or its end', async () => {
    const { isTainted, status } = await state();
    return isTainted || status === 'False';
  });
  const { status = {} } = await eventually(`the eviction of ${guilty}`, async () => {
    const found = await pod(guilty);
    return found.status?.phase === 'Failed' ? found : undefined;
  });
  assert.equal(status.reason, 'Evicted');
  assert.match(status.message ?? '', told);
  const target = status.conditions?.find(({ type }) => type === 'DisruptionTarget');
  assert.deepEqual([target?.status, target?.reason], ['True', 'TerminationByKubelet']);
  await happened(guilty, 'Evicted');
  await happened(node, 'EvictionThresholdMet', `Attempting to reclaim ${resource}`);
  await happened(node, reasons[0], `Node ${node} status is now: ${reasons[0]}`);
  await eventually(`${node} to have enough again`, async () => {
    const now = await state();
    return now.status === 'False' && !now.isTainted;
  });
  await happened(node, reasons[1], `Node ${node} status is now: ${reasons[1]}`);
}

async function happened(object: string, reason: string, message?: string): Promise<void> {
  await eventually(`the event ${reason} of ${object}`, async () => {
    const selector = `involvedObject.name=${object},reason=${reason}`;
    const { items } = await cluster.get<{ items: Event[] }>('events', '-A', '--field-selector', selector);
    return items.some((event) => message === undefined || event.message === message);
  });
}

/** Moves one of a node's folders to a small disk, while the node is off. */
async function onDiskOfItsOwn(node: keyof typeof disks, folder: (typeof disks)[keyof typeof disks]): Promise<void> {
  await cluster.knit(['node', 'stop', node]);
  const path = clusterPaths(name).node(node)[folder];
  rmSync(path, { recursive: true });
  await run('mkdir', [path]);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${diskMiB[node]}m`, 'tmpfs', path]);
  await cluster.knit(['node', 'start', node]);
}

/** proc(5): the second number after the slash of loadavg's fourth field counts all tasks. */
function freeProcesses(): number {
  const read = (file: string) => readFileSync(`/proc/${file}`, 'utf8');
  const most = Math.min(Number(read('sys/kernel/pid_max')), Number(read('sys/kernel/threads-max')));
  return most - Number(/\/(\d+)/.exec(read('loadavg'))?.[1]);
}

async function apply(node: string, pod: string, script: string, spec: object = {}): Promise<void> {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      ...spec,
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          name: 'main',
          image: 'knit.dev/lab:1',
          command: ['sh', '-c', script],
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
      ],
    },
  });
}

async function runs(pod: string): Promise<void> {
  await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=110s']);
}

const pod = (name: string): Promise<Pod> => cluster.get<Pod>('pod', name);
