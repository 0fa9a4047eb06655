import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { configMaps, leases, nodes, pods } from '../api/resource.ts';
import type { Pod } from '../api/types.ts';
import { waitFor } from '../base/wait.ts';
import { cgroupMode } from '../kernel/cgroup.ts';
import { run } from '../kernel/run.ts';
import { rotateLogs } from './log-rotation.ts';
import { kubeletPaths } from './paths.ts';
import { podCgroup } from './resources.ts';
import { testCgroup } from './testing.ts';
import { containerOf, isReady, startTestNode, type TestNode, testNamespace } from './testing-node.ts';

let node: TestNode;
before(async () => {
  node = await startTestNode();
});
after(() => node.stop());

const sleeper = { name: 'c', command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'] };
const nodeReady = async () => (await node.node()).status?.conditions?.find(({ type }) => type === 'Ready');

test('the node registers, becomes Ready, and renews its lease', async () => {
  await waitFor(async () => (await nodeReady())?.status === 'True', {
    what: 'the node to be Ready',
    timeoutMs: 30_000,
  });
  const { metadata, status } = await node.node();
  assert.equal(metadata?.labels?.['kubernetes.io/hostname'], 'node-1');
  assert.match(status?.nodeInfo?.containerRuntimeVersion ?? '', /^containerd:\/\/\d/);
  assert.equal(status?.allocatable?.pods, '110');
  const lease = await waitFor(() => node.client.get(leases, { namespace: 'kube-node-lease', name: 'node-1' }), {
    what: 'the lease',
    timeoutMs: 30_000,
  });
  assert.equal(lease.spec?.holderIdentity, 'node-1');
});

test('what somebody says that a node has is for its pods, until it is taken back', async () => {
  const dongle = 'example.com/dongle';
  const ref = { name: 'node-1' };
  const say = (count: string | null) =>
    node.client.patch(nodes, ref, 'merge', { status: { capacity: { [dongle]: count } } }, 'status');
  const allocatable = (wanted: string | undefined) =>
    waitFor(async () => (await node.node()).status?.allocatable?.[dongle] === wanted, {
      what: `${wanted} dongles`,
      timeoutMs: 30_000,
    });
  await say('3');
  await allocatable('3');
  assert.equal((await node.node()).status?.capacity?.[dongle], '3');
  await say(null);
  await allocatable(undefined);
});

test('a pod runs with its environment, volumes, names and limits, and is Ready when its probe succeeds', async () => {
  await node.client.create(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: testNamespace },
    data: { color: 'red' },
  });
  await node.run('web', {
    initContainers: [
      {
        name: 'first',
        image: 'docker.io/library/busybox:test',
        command: ['sh', '-c', 'echo > /work/done'],
        volumeMounts: [{ name: 'work', mountPath: '/work' }],
      },
    ],
    containers: [
      {
        name: 'c',
        command: ['sh', '-c', 'cat /etc/resolv.conf /etc/hosts /settings/color; echo; ls /work; env; httpd -f -p 8080'],
        env: [
          { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        ],
        resources: { limits: { memory: '64Mi', cpu: '500m' } },
        readinessProbe: { tcpSocket: { port: 8080 } },
        volumeMounts: [
          { name: 'settings', mountPath: '/settings' },
          { name: 'work', mountPath: '/work' },
        ],
      },
    ],
    volumes: [
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'work', emptyDir: {} },
    ],
  });
  const pod = await node.until('web', 'the pod to be Ready', isReady);
  const { status } = pod;
  assert.equal(status?.phase, 'Running');
  assert.equal(status?.qosClass, 'Burstable');
  assert.match(status?.podIP ?? '', /^10\.88\.0\./);
  assert.equal(containerOf(pod, 'first')?.state?.terminated?.reason, 'Completed');
  // The runtime carries output into the file beside all else.
  const log = await waitFor(
    async () => {
      const text = await node.log('web', 'c');
      return /^IP=/m.test(text) && /^COLOR=/m.test(text) && text;
    },
    { what: 'its output', timeoutMs: 30_000 },
  );
  assert.match(log, /^search shop.svc.cluster.local svc.cluster.local cluster.local$/m);
  assert.match(log, new RegExp(`^${status?.podIP}\tweb$`, 'm'));
  assert.match(log, /^red\ndone\n/m);
  assert.match(log, /^COLOR=red$/m);
  assert.match(log, new RegExp(`^IP=${status?.podIP}$`, 'm'));
  const memory = await node.containerd.cri.execSync(
    (await node.kubelet().runtime.findContainer(testNamespace, 'web', 'c'))?.id ?? '',
    ['sh', '-c', 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max'],
    5,
  );
  assert.equal(memory.stdout.toString().trim(), String(64 * 1024 * 1024));
  await waitFor(async () => (await node.events('web')).length >= 6, { what: 'its events', timeoutMs: 30_000 });
  assert.deepEqual(await node.events('web'), [
    'Normal Pulled Container image "docker.io/library/busybox:test" already present on machine and can be accessed by the pod',
    'Normal Created Container created',
    'Normal Started Container started',
    'Normal Pulled Container image "docker.io/library/busybox:test" already present on machine and can be accessed by the pod',
    'Normal Created Container created',
    'Normal Started Container started',
  ]);
});

test('a deleted pod runs its preStop hook, gets SIGTERM, and leaves nothing behind', async () => {
  const command = ['sh', '-c', 'trap "echo terminated >> /shared/log; exit 0" TERM; while :; do sleep 0.05; done'];
  const volumes = [
    { name: 'shared', hostPath: { path: `${node.containerd.folder}/shared`, type: 'DirectoryOrCreate' } },
  ];
  const preStop = { exec: { command: ['sh', '-c', 'echo hook >> /shared/log'] } };
  const pod = await node.run('ends', {
    containers: [
      { name: 'c', command, lifecycle: { preStop }, volumeMounts: [{ name: 'shared', mountPath: '/shared' }] },
    ],
    volumes,
    terminationGracePeriodSeconds: 60,
  });
  await node.until('ends', 'the pod to be Ready', isReady);
  await node.client.delete(pods, { namespace: testNamespace, name: 'ends' });
  await node.untilGone('ends', 30_000);
  assert.equal(await readFile(`${node.containerd.folder}/shared/log`, 'utf8'), 'hook\nterminated\n');
  const uid = pod.metadata?.uid ?? '';
  assert.equal(existsSync(`${node.rootDir}/pods/${uid}`), false);
  assert.equal(existsSync(`${node.rootDir}/logs/shop_ends_${uid}`), false);
  assert.deepEqual(await node.containerd.cri.listPodSandboxes({ 'io.kubernetes.pod.uid': uid }), []);
});

test('a pod that is being ended is asked on whether it is ready, and not whether it lives', async () => {
  const command = ['sh', '-c', 'trap "rm /tmp/well; trap : TERM" TERM; touch /tmp/well; while :; do sleep 0.05; done'];
  const well = { exec: { command: ['cat', '/tmp/well'] }, periodSeconds: 1, failureThreshold: 1 };
  await node.run('lingers', {
    containers: [{ name: 'c', command, readinessProbe: well, livenessProbe: { ...well, initialDelaySeconds: 1 } }],
    terminationGracePeriodSeconds: 120,
  });
  await node.until('lingers', 'the pod to be Ready', isReady);
  await node.client.delete(pods, { namespace: testNamespace, name: 'lingers' });
  const lingering = await node.until('lingers', 'the pod to be unready', (pod) => !isReady(pod), 60_000);
  assert.ok(lingering.metadata?.deletionTimestamp);
  assert.equal(lingering.status?.phase, 'Running');
  assert.ok(containerOf(lingering, 'c')?.state?.running);
  const told = await node.events('lingers');
  assert.deepEqual(
    told.filter((line) => line.includes('Liveness')),
    [],
  );
  await node.client.delete(pods, { namespace: testNamespace, name: 'lingers' }, { gracePeriodSeconds: 1 });
  await node.untilGone('lingers', 60_000);
});

test('hooks run at once, and sidecars end after the others, the last one first', async () => {
  const shared = `${node.containerd.folder}/order`;
  const speaking = (name: string, more: object = {}) => ({
    name,
    image: 'docker.io/library/busybox:test',
    command: ['sh', '-c', `trap "sleep 0.3; echo ${name} >> /order/log; exit 0" TERM; while :; do sleep 0.05; done`],
    lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo hook >> /order/log'] } } },
    volumeMounts: [{ name: 'order', mountPath: '/order' }],
    ...more,
  });
  await node.run('ordered', {
    initContainers: [speaking('first', { restartPolicy: 'Always' }), speaking('second', { restartPolicy: 'Always' })],
    containers: [speaking('main')],
    volumes: [{ name: 'order', hostPath: { path: shared, type: 'DirectoryOrCreate' } }],
    terminationGracePeriodSeconds: 60,
  });
  await node.until('ordered', 'the pod to be Ready', isReady);
  await node.client.delete(pods, { namespace: testNamespace, name: 'ordered' });
  await node.untilGone('ordered', 50_000);
  const said = (await readFile(`${shared}/log`, 'utf8')).trim().split('\n');
  assert.deepEqual(said, ['hook', 'hook', 'hook', 'main', 'second', 'first']);
});

test('a pod that must not restart ends with its last words', async () => {
  await node.run('fails', {
    restartPolicy: 'Never',
    containers: [{ name: 'c', command: ['sh', '-c', 'echo no money > /dev/termination-log; exit 3'] }],
  });
  const failed = await node.until('fails', 'the pod to fail', ({ status }) => status?.phase === 'Failed');
  const { exitCode, reason, message } = containerOf(failed, 'c')?.state?.terminated ?? {};
  assert.deepEqual({ exitCode, reason, message }, { exitCode: 3, reason: 'Error', message: 'no money\n' });
  await node.run('succeeds', { restartPolicy: 'OnFailure', containers: [{ name: 'c', command: ['true'] }] });
  const ended = await node.until('succeeds', 'the pod to end', ({ status }) => status?.phase === 'Succeeded');
  assert.equal(ended.status?.conditions?.find(({ type }) => type === 'Ready')?.reason, 'PodCompleted');
});

test('a container that fails again and again is restarted once, then backed off', async () => {
  await node.run('crashes', { containers: [{ name: 'c', command: ['sh', '-c', 'exit 1'] }] });
  const pod = await node.until(
    'crashes',
    'CrashLoopBackOff',
    (now) => containerOf(now, 'c')?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  const status = containerOf(pod, 'c');
  assert.equal(status?.restartCount, 1);
  assert.equal(status?.lastState?.terminated?.exitCode, 1);
  const uid = pod.metadata?.uid;
  const told = `back-off 10s restarting failed container=c pod=crashes_shop(${uid})`;
  assert.equal(status?.state?.waiting?.message, told);
  assert.equal(pod.status?.phase, 'Running');
  // Another name of the same image: the container is another one, whose delays begin anew.
  const mended = { spec: { containers: [{ name: 'c', image: 'busybox:test' }] } };
  await node.client.patch(pods, { namespace: testNamespace, name: 'crashes' }, 'strategic', mended);
  const again = await node.until('crashes', 'the next back-off', (now) => {
    const { restartCount, state } = containerOf(now, 'c') ?? {};
    return restartCount === 2 && state?.waiting?.reason === 'CrashLoopBackOff';
  });
  assert.equal(containerOf(again, 'c')?.state?.waiting?.message, told);
});

test('a container that fails its liveness probe is restarted', async () => {
  await node.run('stuck', {
    containers: [
      {
        name: 'c',
        command: ['sh', '-c', 'trap "exit 0" TERM; touch /tmp/up; sleep 0.5; rm /tmp/up; while :; do sleep 0.1; done'],
        livenessProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1, failureThreshold: 1 },
      },
    ],
  });
  const pod = await node.until('stuck', 'a restart', (now) => (containerOf(now, 'c')?.restartCount ?? 0) > 0);
  assert.ok(containerOf(pod, 'c')?.lastState?.terminated);
  for (const start of [
    'Warning Unhealthy Liveness probe failed',
    'Normal Killing Container c failed liveness probe, will be restarted',
  ]) {
    const isTold = async () => (await node.events('stuck')).some((event) => event.startsWith(start));
    await waitFor(isTold, { what: start, timeoutMs: 30_000 });
  }
});

test('an image that cannot be had is told as the kubelet tells it', async () => {
  await node.run('never', {
    containers: [{ ...sleeper, image: 'docker.io/library/nope:1', imagePullPolicy: 'Never' }],
  });
  await node.run('absent', {
    containers: [{ ...sleeper, image: '127.0.0.1:1/nope:1' }],
    imagePullSecrets: [{ name: 'lost' }],
  });
  await node.run('wrong', { containers: [{ ...sleeper, image: 'Not An Image' }] });
  const waitingFor = (reason: string) => (pod: Parameters<typeof containerOf>[0]) =>
    containerOf(pod, 'c')?.state?.waiting?.reason === reason;
  await node.until('never', 'ErrImageNeverPull', waitingFor('ErrImageNeverPull'));
  await node.until('absent', 'ImagePullBackOff', waitingFor('ImagePullBackOff'));
  await node.until('wrong', 'InvalidImageName', waitingFor('InvalidImageName'));
  for (const start of [
    'Normal Pulling Pulling image "127.0.0.1:1/nope:1"',
    'Warning Failed Failed to pull image "127.0.0.1:1/nope:1": ',
    'Warning FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (lost); attempting to pull',
    'Warning Failed Error: ErrImagePull',
    'Normal BackOff Back-off pulling image "127.0.0.1:1/nope:1"',
    'Warning Failed Error: ImagePullBackOff',
  ]) {
    const isTold = async () => (await node.events('absent')).some((event) => event.startsWith(start));
    await waitFor(isTold, { what: start, timeoutMs: 30_000 });
  }
  for (const [name, reason] of Object.entries({ never: 'ErrImageNeverPull', wrong: 'InvalidImageName' })) {
    const failed = `Warning Failed Error: ${reason}`;
    await waitFor(async () => (await node.events(name)).includes(failed), { what: failed, timeoutMs: 30_000 });
  }
});

test('a pod waits for a config map that is missing, and starts when it is there', async () => {
  const envFrom = [{ configMapRef: { name: 'late' } }];
  await node.run('waits', { containers: [{ ...sleeper, envFrom }] });
  const reason = 'CreateContainerConfigError';
  const pod = await node.until('waits', reason, (now) => containerOf(now, 'c')?.state?.waiting?.reason === reason);
  assert.equal(containerOf(pod, 'c')?.state?.waiting?.message, 'configmap "late" not found');
  await node.client.create(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'late', namespace: testNamespace },
    data: { A: '1' },
  });
  await node.until('waits', 'the pod to be Ready', isReady);
});

test('a log that has grown too long is put aside, and a new one begun', async () => {
  await node.run('talks', {
    containers: [{ name: 'c', command: ['sh', '-c', 'while :; do echo word; sleep 0.05; done'] }],
  });
  await node.until('talks', 'the pod to be Ready', isReady);
  const found = await node.kubelet().runtime.findContainer(testNamespace, 'talks', 'c');
  const log = found?.logPath ?? '';
  await waitFor(async () => (await stat(log)).size > 0, { what: 'the first line', timeoutMs: 30_000 });
  await rotateLogs(node.containerd.cri, kubeletPaths(node.rootDir), 1);
  await waitFor(async () => (await stat(log)).size > 0, { what: 'a line in the new log', timeoutMs: 30_000 });
  const names = await readdir(path.dirname(log));
  assert.equal(names.length, 2);
  assert.match(names.sort()[1] ?? '', /^0\.log\.\d{8}-\d{6}$/);
});

test('a kubelet stops at once, also while it waits for a container to end', async () => {
  await node.run('slow', {
    containers: [{ name: 'c', command: ['sleep', '1000'] }],
    terminationGracePeriodSeconds: 60,
  });
  await node.until('slow', 'the pod to be Ready', isReady);
  await node.client.delete(pods, { namespace: testNamespace, name: 'slow' });
  const isKilling = async () => (await node.events('slow')).includes('Normal Killing Stopping container c');
  await waitFor(isKilling, { what: 'the pod to be ended', timeoutMs: 30_000 });
  const began = Date.now();
  await node.restartKubelet();
  assert.ok(Date.now() - began < 30_000, `it took ${Date.now() - began} ms`);
  await node.client.delete(pods, { namespace: testNamespace, name: 'slow' }, { gracePeriodSeconds: 1 });
  await node.untilGone('slow');
});

test('a new kubelet finds the running containers and leaves them alone', async () => {
  await node.run('stays', { containers: [sleeper] });
  const before = await node.until('stays', 'the pod to be Ready', isReady);
  await node.restartKubelet();
  await node.run('later', { containers: [sleeper] });
  await node.until('later', 'another pod to be Ready', isReady);
  const now = await node.pod('stays');
  assert.equal(containerOf(now, 'c')?.containerID, containerOf(before, 'c')?.containerID);
  assert.equal(containerOf(now, 'c')?.restartCount, 0);
});

test('a pod that was deleted while no kubelet ran is ended by the next one', async () => {
  const pod = await node.run('orphan', { containers: [sleeper] });
  await node.until('orphan', 'the pod to be Ready', isReady);
  await node.stopKubelet();
  await node.client.delete(pods, { namespace: testNamespace, name: 'orphan' }, { gracePeriodSeconds: 0 });
  await node.startKubelet();
  const labels = { 'io.kubernetes.pod.uid': pod.metadata?.uid ?? '' };
  await waitFor(async () => (await node.containerd.cri.listPodSandboxes(labels)).length === 0, {
    what: 'its sandbox to be removed',
    timeoutMs: 30_000,
  });
});

test('a pod whose sandbox died gets a new one, and its containers with it', async () => {
  await node.run('reborn', { containers: [sleeper] });
  const before = await node.until('reborn', 'the pod to be Ready', isReady);
  const sandbox = await node.kubelet().runtime.findSandbox(testNamespace, 'reborn');
  await run('ctr', ['-a', node.containerd.socket, '-n', 'k8s.io', 'task', 'kill', '-s', 'SIGKILL', sandbox ?? '']);
  const pod = await node.until(
    'reborn',
    'another start',
    (now) => containerOf(now, 'c')?.restartCount === 1 && isReady(now),
  );
  assert.notEqual(containerOf(pod, 'c')?.containerID, containerOf(before, 'c')?.containerID);
  const told = 'Normal SandboxChanged Pod sandbox changed, it will be killed and re-created.';
  await waitFor(async () => (await node.events('reborn')).includes(told), { what: 'its event', timeoutMs: 30_000 });
});

test('while containerd is down the node is not Ready and says why; its pods stay', async () => {
  const before = await node.pod('stays');
  await node.containerd.kill();
  const down = await waitFor(
    async () => {
      const ready = await nodeReady();
      return ready?.status === 'False' ? ready : undefined;
    },
    { what: 'the node to be NotReady', timeoutMs: 30_000 },
  );
  assert.match(down.message ?? '', /^container runtime is down: /);
  await node.containerd.start();
  await waitFor(async () => (await nodeReady())?.status === 'True', {
    what: 'the node to be Ready',
    timeoutMs: 30_000,
  });
  await node.run('after', { containers: [sleeper] });
  await node.until('after', 'a new pod to be Ready', isReady);
  assert.equal(containerOf(await node.pod('stays'), 'c')?.containerID, containerOf(before, 'c')?.containerID);
});

test('what others have said of a pod’s readiness is put right while its node is ready', async () => {
  await waitFor(async () => (await nodeReady())?.status === 'True', { what: 'the node', timeoutMs: 30_000 });
  await node.run('doubted', { containers: [sleeper] });
  await node.until('doubted', 'readiness', isReady);
  const ref = { name: 'doubted', namespace: testNamespace };
  const doubt = { status: { conditions: [{ type: 'Ready', status: 'False' }] } };
  const written = await node.client.patch(pods, ref, 'strategic', doubt, 'status');
  assert.equal(isReady(written), false);
  await node.until('doubted', 'readiness again', isReady);
});

test('a pod that has ended gives back what its volumes hold, and keeps its log', async () => {
  const fill = 'echo full > /memory/file; echo full > /disk/file; echo done';
  const mounts = ['memory', 'disk'].map((name) => ({ name, mountPath: `/${name}` }));
  await node.run('spent', {
    restartPolicy: 'Never',
    volumes: [
      { name: 'memory', emptyDir: { medium: 'Memory' } },
      { name: 'disk', emptyDir: {} },
    ],
    containers: [{ name: 'c', command: ['sh', '-c', fill], volumeMounts: mounts }],
  });
  const { metadata } = await node.until('spent', 'its end', ({ status }) => status?.phase === 'Succeeded');
  const folder = path.join(kubeletPaths(node.rootDir).pod(metadata?.uid ?? ''), 'volumes');
  await waitFor(() => !existsSync(folder), { what: 'the volumes to go', timeoutMs: 30_000 });
  assert.ok(!(await readFile('/proc/self/mounts', 'utf8')).includes(folder));
  assert.match(await node.log('spent', 'c'), /done/);
});

test('a pod may have what its containers may together, also after they were given other limits', async () => {
  const limited = (name: string, cpu: string, memory: string) => ({
    ...sleeper,
    name,
    resources: { limits: { cpu, memory } },
  });
  const limits = async (pod: Pod) => {
    const cgroup = podCgroup(`${testCgroup()}/pods`, pod);
    const isV2 = cgroupMode() === 'v2';
    const [cpu, memory] = isV2
      ? [`${cgroup}/cpu.max`, `${cgroup}/memory.max`]
      : [`cpu${cgroup}/cpu.cfs_quota_us`, `memory${cgroup}/memory.limit_in_bytes`];
    const texts = await Promise.all([cpu, memory].map((file) => readFile(path.join('/sys/fs/cgroup', file), 'utf8')));
    return texts.map((text) => Number.parseInt(text, 10));
  };
  await node.run('bounded', { containers: [limited('a', '100m', '32Mi'), limited('b', '200m', '64Mi')] });
  const pod = await node.until('bounded', 'readiness', isReady);
  assert.deepEqual(await limits(pod), [30_000, 96 * 2 ** 20]);
  const resources = { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '500m', memory: '64Mi' } };
  const ref = { name: 'bounded', namespace: testNamespace };
  await node.client.patch(pods, ref, 'strategic', { spec: { containers: [{ name: 'a', resources }] } }, 'resize');
  await waitFor(async () => (await limits(pod)).join() === [70_000, 128 * 2 ** 20].join(), {
    what: 'the pod’s limits to grow',
    timeoutMs: 30_000,
  });
});
