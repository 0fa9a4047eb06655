// The API calls of Kubernetes' conformance tests of sig-apps and sig-scheduling (test/e2e/apps, test/e2e/scheduling),
// with the lab image instead of theirs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  controllerRevisions,
  daemonSets,
  deployments,
  events,
  jobs,
  namespaces,
  nodes,
  podDisruptionBudgets,
  pods,
  type Resource,
  replicaSets,
  replicationControllers,
  serviceAccounts,
  statefulSets,
} from '../src/api/resource.ts';
import type { KubeObject, Node, Pod, PodSpec, PodTemplateSpec } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import { isNotFound } from '../src/client/client.ts';
import { adminClient } from '../src/cluster/ready.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';

const image = 'knit.dev/lab:1';

let cluster: TestCluster;
let admin: ReturnType<typeof adminClient>;
let client: typeof admin.client;
let all: Node[];

before(async () => {
  cluster = await startCluster('t-conform');
  admin = adminClient(cluster.config);
  client = admin.client;
  all = (await client.list(nodes)).items;
});
after(async () => {
  await admin?.close();
  await cluster?.down();
});

/** Longer than elsewhere: dozens of pods start side by side. */
const eventually = <T>(what: string, look: () => Promise<T>) =>
  waitFor(look, { what, timeoutMs: 180_000, intervalMs: 150 });

/** What is not there already is not asked for anywhere. */
const container = (more: object = {}) => ({
  name: 'main',
  image,
  imagePullPolicy: 'Never',
  command: ['sleep', '100000'],
  ...more,
});
const template = (app: string, spec: Partial<PodSpec> = {}): PodTemplateSpec => ({
  metadata: { labels: { app } },
  spec: { terminationGracePeriodSeconds: 0, containers: [container()], ...spec },
});
const selecting = (app: string) => ({ matchLabels: { app } });

/** A namespace of its own for a test, in which pods can be made. */
async function inNamespace(namespace: string): Promise<(name: string) => { namespace: string; name: string }> {
  await client.create(namespaces, { metadata: { name: namespace } });
  await eventually('its account', () =>
    client.get(serviceAccounts, { namespace, name: 'default' }).catch(() => undefined),
  );
  return (name) => ({ namespace, name });
}

type Numbers = Record<string, number | undefined>;

/** Waits until the object's status says these numbers. */
const says = <T extends KubeObject>(resource: Resource<T>, ref: { namespace: string; name: string }, wanted: Numbers) =>
  eventually(`${resource.kind} ${ref.name} to say ${JSON.stringify(wanted)}`, async () => {
    const object = await client.get(resource, ref);
    const { status = {} } = object as { status?: Numbers };
    return Object.entries(wanted).every(([field, value]) => (status[field] ?? 0) === value) && object;
  });

const eventsOf = async (namespace: string, kind: string) =>
  (await client.list(events, { namespace })).items
    .filter(({ involvedObject }) => involvedObject.kind === kind)
    .map(({ reason, message }) => `${reason} ${message}`);

describe('sig-apps', { concurrency: 4 }, () => {
  test('a Deployment scales in proportion while it rolls to an image that cannot be had', async () => {
    const ref = await inNamespace('proportional');
    const rollingUpdate = { maxSurge: 3, maxUnavailable: 2 };
    await client.create(deployments, {
      metadata: ref('web'),
      spec: {
        replicas: 10,
        strategy: { type: 'RollingUpdate', rollingUpdate },
        selector: selecting('web'),
        template: template('web'),
      },
    });
    await says(deployments, ref('web'), { availableReplicas: 10 });
    const broken = { spec: { template: { spec: { containers: [{ name: 'main', image: 'webserver:404' }] } } } };
    await client.patch(deployments, ref('web'), 'strategic', broken);
    const sizes = (wanted: number[]) =>
      eventually(`ReplicaSets of ${wanted}`, async () => {
        const { items } = await client.list(replicaSets, { namespace: 'proportional' });
        const revision = ({ metadata }: KubeObject) =>
          Number(metadata?.annotations?.['deployment.kubernetes.io/revision']);
        const found = items.sort((a, b) => revision(a) - revision(b)).map(({ spec }) => spec?.replicas);
        return String(found) === String(wanted);
      });
    await sizes([8, 5]);
    await client.patch(deployments, ref('web'), 'merge', { spec: { replicas: 30 } });
    await sizes([20, 13]);
    await client.delete(deployments, ref('web'));
  });

  test('what somebody writes into the status of a Deployment is seen, and put right', async () => {
    const ref = await inNamespace('status');
    await client.create(deployments, {
      metadata: ref('web'),
      spec: { replicas: 1, selector: selecting('web'), template: template('web') },
    });
    await says(deployments, ref('web'), { readyReplicas: 1 });
    const patch = { metadata: { annotations: { written: 'yes' } }, status: { readyReplicas: 0, availableReplicas: 0 } };
    const written = await client.patch(deployments, ref('web'), 'merge', patch, 'status');
    assert.equal(written.metadata?.annotations?.written, 'yes');
    assert.equal(written.status?.readyReplicas ?? 0, 0);
    await says(deployments, ref('web'), { readyReplicas: 1, availableReplicas: 1, unavailableReplicas: 0 });
    assert.equal(
      await cluster.kubectl(['get', 'deploy', '-n', 'status', 'web', '-o', 'jsonpath={.status.unavailableReplicas}']),
      '',
    );
  });

  test('a ReplicationController adopts a pod that matches, and lets it go when it no longer does', async () => {
    const ref = await inNamespace('adoption');
    const spec = { terminationGracePeriodSeconds: 0, containers: [container()] };
    await client.create(pods, { metadata: { ...ref('orphan'), labels: { app: 'web' } }, spec });
    await client.create(replicationControllers, {
      metadata: ref('web'),
      spec: { replicas: 1, selector: { app: 'web' }, template: template('web') },
    });
    const owner = async () => (await client.get(pods, ref('orphan'))).metadata?.ownerReferences?.[0]?.name;
    await eventually('adoption', async () => (await owner()) === 'web');
    await client.patch(pods, ref('orphan'), 'merge', { metadata: { labels: { app: 'other' } } });
    await eventually('release', async () => (await owner()) === undefined);
    await says(replicationControllers, ref('web'), { replicas: 1, readyReplicas: 1 });
  });

  test('a StatefulSet makes a pod anew that its node has refused, when the node can take it', async () => {
    const ref = await inNamespace('refused');
    const nodeName = all[0]?.metadata?.name ?? '';
    const ports = [{ containerPort: 21017, hostPort: 21017, name: 'taken' }];
    const spec = { nodeName, terminationGracePeriodSeconds: 0, containers: [container({ ports })] };
    await client.create(pods, { metadata: ref('first'), spec });
    await eventually('the first pod', async () => (await client.get(pods, ref('first'))).status?.phase === 'Running');
    await client.create(statefulSets, {
      metadata: ref('db'),
      spec: { replicas: 1, serviceName: 'db', selector: selecting('db'), template: template('db', spec) },
    });
    await eventually('its pod to be refused', async () =>
      (await eventsOf('refused', 'StatefulSet')).includes(
        'RecreatingFailedPod StatefulSet refused/db is recreating failed Pod db-0',
      ),
    );
    await client.delete(pods, ref('first'), { gracePeriodSeconds: 0 });
    await says(statefulSets, ref('db'), { readyReplicas: 1 });
  });

  test('a DaemonSet makes failed pods anew, and rolls back without a restart of what was not replaced', async () => {
    const ref = await inNamespace('daemons');
    const inDaemons = { namespace: 'daemons' };
    await client.create(daemonSets, {
      metadata: ref('agent'),
      spec: { selector: selecting('agent'), template: template('agent') },
    });
    await says(daemonSets, ref('agent'), { numberReady: all.length });
    const [victim] = (await client.list(pods, inDaemons)).items;
    await client.patch(pods, ref(victim?.metadata?.name ?? ''), 'merge', { status: { phase: 'Failed' } }, 'status');
    await eventually('another pod', async () => {
      const { items } = await client.list(pods, inDaemons);
      return items.length === all.length && items.every(({ metadata }) => metadata?.uid !== victim?.metadata?.uid);
    });
    await says(daemonSets, ref('agent'), { numberReady: all.length });
    const to = (name: string) =>
      client.patch(daemonSets, ref('agent'), 'strategic', {
        spec: { template: { spec: { containers: [{ name: 'main', image: name }] } } },
      });
    await to('foo:non-existent');
    await says(daemonSets, ref('agent'), { updatedNumberScheduled: 1, numberUnavailable: 1 });
    const isKept = ({ spec }: Pod) => spec?.containers[0]?.image === image;
    const kept = (await client.list(pods, inDaemons)).items.filter(isKept).map(({ metadata }) => metadata?.uid);
    await to(image);
    await says(daemonSets, ref('agent'), { updatedNumberScheduled: all.length, numberAvailable: all.length });
    const now = (await client.list(pods, inDaemons)).items.map(({ metadata }) => metadata?.uid);
    assert.deepEqual(
      kept.filter((uid) => !now.includes(uid)),
      [],
      'restarted without need',
    );
    assert.equal((await client.list(controllerRevisions, inDaemons)).items.length, 2);
  });

  test('a Job counts an evicted pod only where its policy says so', async () => {
    const ref = await inNamespace('disrupted');
    const onPodConditions = [{ type: 'DisruptionTarget', status: 'True' }];
    await client.create(jobs, {
      metadata: ref('work'),
      spec: {
        backoffLimit: 0,
        podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions }] },
        template: template('work', { restartPolicy: 'Never' }),
      },
    });
    const running = async () =>
      (await client.list(pods, { namespace: 'disrupted' })).items.find(
        ({ status, metadata }) => status?.phase === 'Running' && !metadata?.deletionTimestamp,
      );
    const first = await eventually('a pod', running);
    const { name = '', uid } = first.metadata ?? {};
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } };
    await client.createSubresource(pods, ref(name), 'eviction', eviction);
    await eventually('another pod', async () => {
      const pod = await running();
      return pod && pod.metadata?.uid !== uid;
    });
    assert.equal((await client.get(jobs, ref('work'))).status?.failed ?? 0, 0);
  });

  test('an eviction that a budget forbids is refused, and the next one is not when the budget changes', async () => {
    const ref = await inNamespace('budget');
    await client.create(replicaSets, {
      metadata: ref('web'),
      spec: { replicas: 3, selector: selecting('web'), template: template('web') },
    });
    await client.create(podDisruptionBudgets, {
      metadata: ref('web'),
      spec: { minAvailable: 3, selector: selecting('web') },
    });
    await says(podDisruptionBudgets, ref('web'), { currentHealthy: 3, desiredHealthy: 3, disruptionsAllowed: 0 });
    const [pod] = (await client.list(pods, { namespace: 'budget' })).items;
    const name = pod?.metadata?.name ?? '';
    const evict = () =>
      client.createSubresource(pods, ref(name), 'eviction', {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name },
      });
    await assert.rejects(evict(), /Cannot evict pod as it would violate the pod's disruption budget/);
    await client.patch(podDisruptionBudgets, ref('web'), 'merge', { spec: { minAvailable: null, maxUnavailable: 1 } });
    await says(podDisruptionBudgets, ref('web'), { disruptionsAllowed: 1 });
    await evict();
    await eventually('its end', () => client.get(pods, ref(name)).then(() => false, isNotFound));
  });
});

describe('sig-scheduling', { concurrency: 2 }, () => {
  test('pods share a host port where address or protocol differ, and else one waits', async () => {
    const ref = await inNamespace('ports');
    const nodeSelector = { 'kubernetes.io/hostname': all[0]?.metadata?.name ?? '' };
    const pod = (name: string, hostIP: string | undefined, protocol: string) =>
      client.create(pods, {
        metadata: ref(name),
        spec: {
          nodeSelector,
          containers: [container({ ports: [{ containerPort: 8080, hostPort: 54321, hostIP, protocol }] })],
        },
      });
    await pod('loopback', '127.0.0.1', 'TCP');
    await pod('other', '127.0.0.2', 'TCP');
    await pod('datagrams', '127.0.0.2', 'UDP');
    for (const name of ['loopback', 'other', 'datagrams'])
      await eventually(`a node for ${name}`, async () => (await client.get(pods, ref(name))).spec?.nodeName);
    await pod('everywhere', undefined, 'TCP');
    const why = await eventually('the reason', async () => {
      const { status } = await client.get(pods, ref('everywhere'));
      return status?.conditions?.find(({ reason }) => reason === 'Unschedulable')?.message;
    });
    assert.equal(
      why,
      "0/3 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 2 node(s) didn't match Pod's node affinity/selector. " +
        'no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.',
    );
  });

  test('more important ReplicaSets take the room of less important ones, pod by pod', async () => {
    const ref = await inNamespace('priorities');
    const nodeName = all[1]?.metadata?.name ?? '';
    const [low, high] = [1, 2].map((value) => ({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: `p-${value}` },
      value,
    }));
    await cluster.apply(low as object, high as object);
    const room = { 'example.com/room': '4' };
    await client.patch(nodes, { name: nodeName }, 'merge', { status: { capacity: room, allocatable: room } }, 'status');
    const set = (name: string, replicas: number, priorityClassName: string, amount: string) => {
      const resources = { requests: { 'example.com/room': amount }, limits: { 'example.com/room': amount } };
      const spec = { priorityClassName, containers: [container({ resources })] };
      return client.create(replicaSets, {
        metadata: ref(name),
        spec: { replicas, selector: selecting(name), template: template(name, spec) },
      });
    };
    await set('low', 4, 'p-1', '1');
    await says(replicaSets, ref('low'), { readyReplicas: 4 });
    await set('high', 1, 'p-2', '3');
    await says(replicaSets, ref('high'), { readyReplicas: 1 });
    await says(replicaSets, ref('low'), { readyReplicas: 1 });
    const [winner] = (await client.list(pods, { namespace: 'priorities', labelSelector: 'app=high' })).items;
    const told = await eventually('three events', async () => {
      const found = (await eventsOf('priorities', 'Pod')).filter((each) => each.startsWith('Preempted '));
      return found.length === 3 && found;
    });
    assert.deepEqual(told, Array(3).fill(`Preempted Preempted by pod ${winner?.metadata?.uid} on node ${nodeName}`));
  });
});
