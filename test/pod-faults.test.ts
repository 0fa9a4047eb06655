import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { milliValue } from '../src/api/quantity.ts';
import type { EndpointSlice, Event, Node, Pod } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import { fabricSpec } from '../src/cluster/fabric.ts';
import { nodeIdentities } from '../src/cluster/node.ts';
import { clusterPaths } from '../src/cluster/paths.ts';
import { filesOf } from '../src/cluster/pki-files.ts';
import { nodeCgroup, nodeOf } from '../src/cluster/running.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { podCgroup } from '../src/kubelet/resources.ts';
import { cutNodeLink, restoreNodeLink } from '../src/machine/fabric.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';
import { commandOf, machineState } from './support/machine.ts';

const name = 'pod-faults';
let cluster: TestCluster;
let pristine: string[];

/** Longer than elsewhere: all tests' pods start side by side, and take what they take slowly. */
const eventually = <T>(what: string, look: () => Promise<T>) =>
  waitFor(look, { what, timeoutMs: 180_000, intervalMs: 200 });

/** What the pods of the second node may use of the memory together; nodes share the machine's. */
const smallMiB = 512;
let scratch: string;
/** Of the second node's static pods. */
const manifests = (): string => join(scratch, 'manifests');
const clusterFile = {
  apiVersion: 'knit.dev/v1alpha1',
  kind: 'Cluster',
  nodes: [
    { name: 'node-1', labels: { rack: 'a', 'node-role.kubernetes.io/edge': '' } },
    {
      name: 'node-2',
      kubelet: {
        systemReserved: { memory: `${Math.floor(totalmem() / 1024 ** 2) - smallMiB}Mi` },
        // The node's report of it comes a moment after the pressure, which the eviction soon ends.
        evictionPressureTransitionPeriod: '5s',
        podPidsLimit: 30,
      },
    },
    { name: 'node-3' },
  ],
};

before(async () => {
  pristine = await machineState(name);
  scratch = mkdtempSync(join(tmpdir(), 'knit-test-pod-faults-'));
  const nodes = clusterFile.nodes.map((node) =>
    node.name === 'node-2' ? { ...node, kubelet: { ...node.kubelet, staticPodPath: manifests() } } : node,
  );
  mkdirSync(manifests());
  writeFileSync(join(scratch, 'cluster.yaml'), JSON.stringify({ ...clusterFile, nodes }));
  cluster = await startCluster(name, ['-f', join(scratch, 'cluster.yaml')]);
  // Pods that name no node are for the first one.
  await cluster.kubectl(['cordon', 'node-2', 'node-3']);
});

after(async () => {
  rmSync(scratch, { recursive: true });
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

describe('faults', { concurrency: true }, () => {
  test('a node is cut off and comes back: its pods are evicted in time, and none runs twice', async () => {
    const journal = join(scratch, 'journal');
    await cluster.apply(statefulSet('db', 'node-3'));
    await running('db-0');
    await run('patient', {}, { nodeName: 'node-3' });
    await running('patient');
    const before = await pod('db-0');
    const node = nodeOf(cluster.config, 'node-3');
    await cutNodeLink(fabricSpec(cluster.config), node);
    const evicted = await eventually('the eviction', async () => {
      const found = await pod('db-0');
      return found.metadata?.deletionTimestamp ? found : undefined;
    });
    assert.equal(evicted.metadata?.uid, before.metadata?.uid);
    // Another controller says so, beside the eviction.
    await eventually('the other pod not to be ready', async () => {
      const { conditions } = (await pod('patient')).status ?? {};
      return conditions?.find(({ type }) => type === 'Ready')?.status === 'False';
    });
    assert.equal(readFileSync(journal, 'utf8'), 'began\n');
    await restoreNodeLink(fabricSpec(cluster.config), node);
    await eventually('another pod of its name', async () => {
      const uid = await uidOf('db-0');
      return uid !== undefined && uid !== before.metadata?.uid;
    });
    await running('db-0');
    // A pod without a probe is ready before its first command is done.
    await eventually('its begin', async () => readFileSync(journal, 'utf8') === 'began\nended\nbegan\n');
    // Who has not left the node meanwhile is ready again, and was never ended.
    await running('patient');
    assert.equal((await container('patient'))?.restartCount, 0);
  });

  test('a container that is killed is started again at once, and tells of its end; then it is backed off', async () => {
    await run('killed', { command: ['sh', '-c', 'echo began; exec sleep 1000'] });
    await running('killed');
    await kill('killed');
    const status = await eventually('the container to be restarted', async () => {
      const found = await container('killed');
      return found?.restartCount === 1 && found.state?.running ? found : undefined;
    });
    assert.deepEqual([status.lastState?.terminated?.exitCode, status.lastState?.terminated?.reason], [137, 'Error']);
    assert.equal(await cluster.kubectl(['logs', 'killed', '--previous']), 'began\n');
    await kill('killed');
    const waiting = await eventually('the back-off', () => waitingFor('killed', 'CrashLoopBackOff'));
    assert.match(waiting.message ?? '', /^back-off 10s restarting failed container=main/);
    await eventHappened('killed', 'BackOff', /Back-off restarting failed container main in pod killed_default/);
    await eventually('the second restart', async () => (await container('killed'))?.restartCount === 2);
  });

  test('a container whose liveness probe fails is restarted', async () => {
    await run('sick', {
      command: ['sh', '-c', 'touch /tmp/well; exec sleep 1000'],
      livenessProbe: {
        exec: { command: ['cat', '/tmp/well'] },
        periodSeconds: 1,
        timeoutSeconds: 30,
        failureThreshold: 2,
        terminationGracePeriodSeconds: 1,
      },
    });
    await running('sick');
    await cluster.kubectl(['exec', 'sick', '--', 'rm', '/tmp/well']);
    await eventually(
      'the restart',
      async () => (await container('sick'))?.restartCount === 1 && (await container('sick'))?.ready,
    );
    await eventHappened('sick', 'Unhealthy', /^Liveness probe failed: cat: can't open '\/tmp\/well'/);
    await eventHappened('sick', 'Killing', /^Container main failed liveness probe, will be restarted$/);
  });

  test('a pod whose readiness probe fails leaves its Service at once, and comes back, without a restart', async () => {
    await run('shy', {
      command: ['sh', '-c', 'touch /tmp/open; exec sleep 1000'],
      readinessProbe: {
        exec: { command: ['cat', '/tmp/open'] },
        periodSeconds: 1,
        timeoutSeconds: 30,
        failureThreshold: 1,
      },
    });
    await cluster.kubectl(['expose', 'pod', 'shy', '--port=80']);
    await eventually('the endpoint', async () => (await ready('shy')).join() === 'true');
    await cluster.kubectl(['exec', 'shy', '--', 'rm', '/tmp/open']);
    await eventually('the endpoint to be unready', async () => (await ready('shy')).join() === 'false');
    await cluster.kubectl(['exec', 'shy', '--', 'touch', '/tmp/open']);
    await eventually('the endpoint to be ready again', async () => (await ready('shy')).join() === 'true');
    assert.equal((await container('shy'))?.restartCount, 0);
  });

  test('a container that takes more memory than its limit is reported as OOMKilled', async () => {
    await run(
      'greedy',
      {
        command: ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=64M', 'count=1'],
        resources: { limits: { memory: '16Mi' } },
      },
      { restartPolicy: 'Never' },
    );
    const state = await eventually('its end', async () => (await container('greedy'))?.state?.terminated);
    assert.deepEqual([state.reason, state.exitCode], ['OOMKilled', 137]);
    assert.equal((await pod('greedy')).status?.phase, 'Failed');
  });

  test('containers that take more memory together than their pod may lose one of them', async () => {
    const fill = (file: string) => `dd if=/dev/zero of=/v/${file} bs=1M count=40`;
    const container = (name: string, script: string) => ({
      name,
      image: 'knit.dev/lab:1',
      command: ['sh', '-c', script],
      resources: { limits: { memory: '48Mi' }, requests: { memory: '1Mi' } },
      volumeMounts: [{ name: 'v', mountPath: '/v' }],
    });
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'crowded' },
      spec: {
        restartPolicy: 'Never',
        resources: { limits: { memory: '64Mi' } },
        volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }],
        containers: [
          container('first', `${fill('first')} && touch /v/done`),
          container('second', `until [ -e /v/done ]; do sleep 0.1; done; exec ${fill('second')}`),
        ],
      },
    });
    const { status } = await eventually('its end', async () => {
      const found = await pod('crowded');
      return found.status?.phase === 'Failed' ? found : undefined;
    });
    const ends = status?.containerStatuses?.map(({ name, state }) => [name, state?.terminated?.exitCode]);
    assert.deepEqual(ends, [
      ['first', 0],
      ['second', 137],
    ]);
    assert.equal(status?.containerStatuses?.at(1)?.state?.terminated?.reason, 'OOMKilled');
  });

  test('a pod on a node with podPidsLimit has no more processes than that', async () => {
    const script = 'for i in $(seq 50); do sleep 1000 & done; sleep 1000';
    await run('forking', { command: ['sh', '-c', script] }, { nodeName: 'node-2', restartPolicy: 'Never' });
    await eventually('a fork to be refused', async () =>
      /can't fork/.test((await cluster.tryKubectl(['logs', 'forking'])).stdout),
    );
    // Who is left must not be there for the node to be short of memory.
    await cluster.kubectl(['delete', 'pod', 'forking', '--now']);
  });

  test('an image that cannot be pulled is told in the status and in events, and tried again', async () => {
    await run('imageless', { image: 'registry.invalid/nothing:1' });
    const waiting = await eventually('the failure', () => waitingFor('imageless', 'ImagePullBackOff'));
    assert.match(waiting.message ?? '', /^Back-off pulling image "registry\.invalid\/nothing:1"/);
    await eventHappened('imageless', 'Pulling', /^Pulling image "registry\.invalid\/nothing:1"$/);
    await eventHappened('imageless', 'Failed', /^Failed to pull image "registry\.invalid\/nothing:1": /);
    await eventHappened('imageless', 'Failed', /^Error: ErrImagePull$/);
    assert.equal((await pod('imageless')).status?.phase, 'Pending');
    await cluster.kubectl(['set', 'image', 'pod/imageless', 'main=knit.dev/lab:1']);
    await eventually('it to run with an image that is there', async () => (await container('imageless'))?.ready);
  });

  test('a container whose ConfigMap is missing waits, says for what, and starts when it is there', async () => {
    await run('unfed', { envFrom: [{ configMapRef: { name: 'food' } }] });
    const waiting = await eventually('the reason', () => waitingWithMessage('unfed'));
    assert.equal(waiting.reason, 'CreateContainerConfigError');
    assert.match(waiting.message ?? '', /configmap "food" not found/);
    await cluster.kubectl(['create', 'configmap', 'food', '--from-literal=a=b']);
    await eventually('it to run', async () => (await container('unfed'))?.ready);
  });

  test('a node’s kubelet is no administrator: it reads what its pods name, and gives itself no role', async () => {
    await cluster.kubectl(['create', 'secret', 'generic', 'foreign', '--from-literal=a=b']);
    const { pki } = clusterPaths(name);
    const kubeconfig = join(scratch, 'kubelet.kubeconfig');
    const kubelet = filesOf(pki, nodeIdentities('node-1').kubelet);
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'c',
        clusters: [
          {
            name: 'c',
            cluster: {
              server: `https://127.0.0.1:${cluster.config.apiPort}`,
              'certificate-authority': filesOf(pki, 'ca').cert,
            },
          },
        ],
        users: [{ name: 'u', user: { 'client-certificate': kubelet.cert, 'client-key': kubelet.key } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      }),
    );
    const ask = (args: string[]) => cluster.tryKubectl(['--kubeconfig', kubeconfig, ...args]);
    const refused = await ask(['get', 'secret', 'foreign']);
    assert.match(refused.stderr, /no relationship found between node 'node-1' and this object/);
    assert.match((await ask(['get', 'pods', '-A'])).stderr, /can only list\/watch pods with spec.nodeName/);
    assert.match(
      (await ask(['label', 'node', 'node-1', 'node-role.kubernetes.io/control-plane='])).stderr,
      /is not allowed to modify labels: node-role.kubernetes.io\/control-plane/,
    );
    // The cluster file’s labels are all there: those that the kubelet may not give come from the server.
    const { labels } = (JSON.parse((await ask(['get', 'node', 'node-1', '-o', 'json'])).stdout) as Node).metadata ?? {};
    assert.deepEqual([labels?.rack, labels?.['node-role.kubernetes.io/edge']], ['a', '']);
  });

  describe('a static pod', { concurrency: false }, () => {
    const name = 'still-node-2';
    const write = (word: string) =>
      writeFileSync(
        join(manifests(), 'still.yaml'),
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'still', labels: { word } },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [
              { name: 'main', image: 'knit.dev/lab:1', command: ['sh', '-c', `echo ${word}; exec sleep 1000`] },
            ],
          },
        }),
      );
    const says = (word: string) =>
      eventually(`it to say ${word}`, async () => {
        const { stdout } = await cluster.tryKubectl(['logs', name]);
        return stdout === `${word}\n`;
      });

    test('runs as its manifest says, and is shown by a mirror that belongs to the node', async () => {
      write('one');
      await eventually('its mirror', async () => (await uidOf(name)) !== undefined);
      await running(name);
      await says('one');
      const { metadata } = await pod(name);
      assert.equal(metadata?.annotations?.['kubernetes.io/config.source'], 'file');
      assert.ok(metadata.annotations['kubernetes.io/config.mirror']);
      assert.deepEqual(
        metadata.ownerReferences?.map((owner) => [owner.kind, owner.name, owner.controller]),
        [['Node', 'node-2', true]],
      );
    });

    test('is not ended by who deletes its mirror', async () => {
      const before = await pod(name);
      await cluster.kubectl(['delete', 'pod', name, '--wait=false']);
      await eventually('another mirror', async () => {
        const uid = await uidOf(name);
        return uid !== undefined && uid !== before.metadata?.uid;
      });
      await running(name);
      const after = await pod(name);
      assert.deepEqual(
        after.status?.containerStatuses?.map(({ containerID, restartCount }) => [containerID, restartCount]),
        before.status?.containerStatuses?.map(({ containerID }) => [containerID, 0]),
      );
    });

    test('is replaced when its manifest changes, and goes with it', async () => {
      write('two');
      await says('two');
      rmSync(join(manifests(), 'still.yaml'));
      await eventually('its mirror to go', async () => (await uidOf(name)) === undefined);
    });
  });

  test('a pod makes room on its node for one of the system’s own', async () => {
    const node = await cluster.get<Node>('node', 'node-2');
    const cpu = `${Math.round(milliValue(node.status?.allocatable?.cpu ?? '0') * 0.7)}m`;
    const requests = { resources: { requests: { cpu } } };
    await run('lesser', requests, { nodeName: 'node-2' });
    await running('lesser');
    await run('system', requests, { nodeName: 'node-2', priorityClassName: 'system-node-critical' });
    await running('system');
    const { status } = await pod('lesser');
    const words = 'Preempted in order to admit critical pod';
    assert.deepEqual([status?.phase, status?.reason, status?.message], ['Failed', 'Preempting', words]);
    const target = status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
    assert.deepEqual(
      [target?.reason, target?.message],
      ['TerminationByKubelet', 'Pod was preempted by Kubelet to accommodate a critical pod.'],
    );
    await eventHappened('lesser', 'Preempting', new RegExp(`^${words}$`));
  });

  describe('a node that runs short', { concurrency: false }, () => {
    test('of memory: it says so, is tainted, and ends the pod that uses more than it asked for', async () => {
      await run('modest', { resources: { requests: { memory: '64Mi' } } }, { nodeName: 'node-2' });
      await running('modest');
      const fill = `dd if=/dev/zero of=/v/file bs=1M count=${smallMiB - 80}; exec sleep 1000`;
      await run(
        'hungry',
        { command: ['sh', '-c', fill], volumeMounts: [{ name: 'v', mountPath: '/v' }] },
        { nodeName: 'node-2', volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] },
      );
      const { status = {} } = await eventually('the eviction', async () => {
        const found = await pod('hungry');
        return found.status?.phase === 'Failed' ? found : undefined;
      });
      assert.equal(status.reason, 'Evicted');
      const words =
        /^The node was low on resource: memory\. Threshold quantity: 100Mi, available: -?\d+\w*\. Container main was using \d+\w+, request is 0, has larger consumption of memory\. $/;
      assert.match(status.message ?? '', words);
      const target = status.conditions?.find(({ type }) => type === 'DisruptionTarget');
      assert.deepEqual([target?.status, target?.reason], ['True', 'TerminationByKubelet']);
      await eventHappened('hungry', 'Evicted', words);
      await eventHappened('node-2', 'EvictionThresholdMet', /^Attempting to reclaim memory$/);
      await eventHappened(
        'node-2',
        'NodeHasInsufficientMemory',
        /^Node node-2 status is now: NodeHasInsufficientMemory$/,
      );
      assert.equal((await pod('modest')).status?.phase, 'Running');
      await eventually('the node to have memory again', async () => {
        const { status: now, spec } = await cluster.get<Node>('node', 'node-2');
        const pressure = now?.conditions?.find(({ type }) => type === 'MemoryPressure');
        const tainted = spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/memory-pressure');
        return pressure?.reason === 'KubeletHasSufficientMemory' && !tainted;
      });
    });

    test('of room: it refuses a pod that somebody has bound to it, and says why', async () => {
      await run('impossible', { resources: { requests: { memory: '1Ti' } } }, { nodeName: 'node-2' });
      const { status } = await eventually('the refusal', async () => {
        const found = await pod('impossible');
        return found.status?.phase === 'Failed' ? found : undefined;
      });
      assert.equal(status?.reason, 'OutOfmemory');
      assert.match(
        status?.message ?? '',
        /^Pod was rejected: Node didn't have enough resource: memory, requested: 1099511627776, used: \d+, capacity: \d+$/,
      );
      await eventHappened('impossible', 'OutOfmemory', /^Node didn't have enough resource: memory/);
    });

    test('a volume that holds more than it may ends its pod', async () => {
      await run(
        'spilling',
        {
          command: ['sh', '-c', 'dd if=/dev/zero of=/v/file bs=1M count=8; exec sleep 1000'],
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
        { volumes: [{ name: 'v', emptyDir: { sizeLimit: '4Mi' } }] },
      );
      const { status } = await eventually('the eviction', async () => {
        const found = await pod('spilling');
        return found.status?.phase === 'Failed' ? found : undefined;
      });
      assert.deepEqual(
        [status?.reason, status?.message],
        ['Evicted', 'Usage of EmptyDir volume "v" exceeds the limit "4Mi". '],
      );
    });
  });
});

/** One pod that writes down when it begins and ends; it tolerates the loss of its node for a second. */
function statefulSet(set: string, node: string): object {
  const tolerated = ['unreachable', 'not-ready'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 1,
  }));
  const script = 'trap "echo ended >>/j/journal; exit" TERM; echo began >>/j/journal; while :; do sleep 0.1; done';
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: set },
    spec: {
      serviceName: set,
      selector: { matchLabels: { app: set } },
      template: {
        metadata: { labels: { app: set } },
        spec: {
          nodeSelector: { 'kubernetes.io/hostname': node },
          tolerations: [...tolerated, { key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }],
          volumes: [{ name: 'j', hostPath: { path: scratch } }],
          containers: [
            {
              name: 'main',
              image: 'knit.dev/lab:1',
              command: ['sh', '-c', script],
              volumeMounts: [{ name: 'j', mountPath: '/j' }],
            },
          ],
        },
      },
    },
  };
}

/** `undefined` while there is no such pod. */
async function uidOf(name: string): Promise<string | undefined> {
  const { items } = await cluster.get<{ items: Pod[] }>('pods', '--field-selector', `metadata.name=${name}`);
  return items[0]?.metadata?.uid;
}

async function run(pod: string, container: object, spec: object = {}): Promise<void> {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, labels: { app: pod } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'knit.dev/lab:1', ...container }],
      ...spec,
    },
  });
}

/** Ends the container's first process, which has said what it has to, from outside: inside nobody may. */
async function kill(name: string): Promise<void> {
  const cgroup = podCgroup(`${nodeCgroup(cluster.config.name, 'node-1')}/pods`, await pod(name));
  const pid = await eventually('its process', async () =>
    processesIn(cgroup).find((each) => /^sleep 1000/.test(commandOf(each))),
  );
  process.kill(pid, 'SIGKILL');
}

async function running(pod: string): Promise<void> {
  await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=110s']);
}

async function pod(pod: string): Promise<Pod> {
  return await cluster.get<Pod>('pod', pod);
}

async function container(name: string) {
  return (await pod(name)).status?.containerStatuses?.[0];
}

/** Both from one look: a container does not wait for one thing for long. */
async function waitingFor(name: string, reason: string) {
  const waiting = (await container(name))?.state?.waiting;
  return waiting?.reason === reason ? waiting : undefined;
}

async function waitingWithMessage(name: string) {
  const waiting = (await container(name))?.state?.waiting;
  return waiting?.message ? waiting : undefined;
}

/** Of each endpoint of a Service whether it is ready. */
async function ready(service: string): Promise<(boolean | undefined)[]> {
  const selector = `kubernetes.io/service-name=${service}`;
  const { items } = await cluster.get<{ items: EndpointSlice[] }>('endpointslices', '-l', selector);
  return items.flatMap(({ endpoints }) => endpoints ?? []).map(({ conditions }) => conditions?.ready);
}

async function eventHappened(pod: string, reason: string, message: RegExp): Promise<void> {
  await eventually(`the event ${reason} ${message}`, async () => {
    const selector = `involvedObject.name=${pod},reason=${reason}`;
    const { items } = await cluster.get<{ items: Event[] }>('events', '--field-selector', selector);
    return items.some((event) => message.test(event.message ?? ''));
  });
}
