import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Job, PersistentVolume, Pod, PodDisruptionBudget } from '../src/api/types.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { commandOf, machineState } from './support/machine.ts';

const name = 'stateful';
const image = 'knit.dev/lab:1';
let cluster: TestCluster;
let pristine: string[];

before(async () => {
  pristine = await machineState(name);
  cluster = await startCluster(name);
});
after(async () => {
  await cluster.down();
  assert.deepEqual(await machineState(name), pristine);
});

const shell = (script: string) => ({ image, name: 'main', command: ['sh', '-c', script] });

/** Three databases that note each start of theirs in a file that is to last. */
const database = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db' },
  spec: {
    serviceName: 'db',
    replicas: 3,
    selector: { matchLabels: { app: 'db' } },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            ...shell('echo "$(hostname) $VERSION" >>/data/starts; exec sleep 100000'),
            env: [{ name: 'VERSION', value: '1' }],
            volumeMounts: [{ name: 'data', mountPath: '/data', subPath: 'inner' }],
          },
        ],
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
      },
    ],
  },
};
const headless = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'db' },
  spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 5432 }] },
};

const pods = async (selector: string): Promise<Pod[]> =>
  (await cluster.get<{ items: Pod[] }>('pods', '-l', selector)).items;
const rolledOut = () => cluster.kubectl(['rollout', 'status', 'statefulset/db', '--timeout=110s']);
const starts = async (pod: string) =>
  (await cluster.kubectl(['exec', pod, '--', 'cat', '/data/starts'])).trim().split('\n');
/** A pod is ready before its shell has written anything, and may be ended before that. */
const noted = (pod: string, version: number) =>
  eventually(`${pod} to note its start`, async () => (await starts(pod)).at(-1) === `${pod} ${version}`);
const allNoted = (version: number) => Promise.all(['db-0', 'db-1', 'db-2'].map((pod) => noted(pod, version)));

test('a StatefulSet’s pods have names and data that last, through an update and its undoing', async () => {
  await cluster.apply(headless, database);
  await rolledOut();
  const address = (await pods('app=db')).find(({ metadata }) => metadata?.name === 'db-1')?.status?.podIP ?? '';
  const lookUp = () => cluster.kubectl(['exec', 'db-0', '--', 'nslookup', 'db-1.db.default.svc.cluster.local']);
  const found = await eventually('db-1 to have a name', lookUp);
  assert.match(found, new RegExp(`Address: ${address.replaceAll('.', '\\.')}`));
  await allNoted(1);
  await cluster.kubectl(['set', 'env', 'statefulset/db', 'VERSION=2']);
  await rolledOut();
  await allNoted(2);
  await cluster.kubectl(['rollout', 'undo', 'statefulset/db']);
  await rolledOut();
  await allNoted(1);
  for (const pod of ['db-0', 'db-2']) {
    assert.deepEqual(await starts(pod), [`${pod} 1`, `${pod} 2`, `${pod} 1`]);
  }
  const history = await cluster.kubectl(['rollout', 'history', 'statefulset/db']);
  assert.deepEqual(history.match(/^\d+/gm), ['2', '3']);
});

test('controllers that are killed in the middle of a rollout go on: never two pods of one name or index', async () => {
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'parts' },
    spec: {
      completionMode: 'Indexed',
      completions: 9,
      parallelism: 3,
      template: { spec: { restartPolicy: 'Never', containers: [shell('echo "part $JOB_COMPLETION_INDEX"')] } },
    },
  };
  await cluster.apply(job);
  await cluster.kubectl(['set', 'env', 'statefulset/db', 'VERSION=3']);
  for (let kill = 0; kill < 2; kill++) {
    const done = kill * 3;
    await eventually('the job to get on', async () => ((await jobNamed('parts')).status?.succeeded ?? 0) > done);
    await killServer();
  }
  await eventually(
    'kubectl wait',
    async () =>
      (await cluster.tryKubectl(['wait', '--for=condition=Complete', 'job/parts', '--timeout=110s'])).code === 0,
  );
  await eventually('the rollout', async () => (await rolledOut()) !== '');
  assert.equal((await jobNamed('parts')).status?.completedIndexes, '0-8');
  const indexes = (await pods('job-name=parts')).map(
    ({ metadata }) => metadata?.annotations?.['batch.kubernetes.io/job-completion-index'],
  );
  assert.equal(indexes.length, new Set(indexes).size, 'each part was done once');
  await allNoted(3);
  assert.equal((await starts('db-1')).filter((line) => line === 'db-1 3').length, 1, 'started once');
});

test('claims keep their folders until they go, and then nothing is left', async () => {
  const { items } = await cluster.get<{ items: PersistentVolume[] }>('persistentvolumes');
  const folders = items.map(({ spec }) => spec?.local?.path ?? '');
  assert.equal(folders.filter((folder) => existsSync(`${folder}/inner/starts`)).length, 3);
  await cluster.kubectl(['delete', 'statefulset', 'db', '--cascade=foreground', '--timeout=110s']);
  assert.equal(folders.filter((folder) => existsSync(folder)).length, 3);
  await cluster.kubectl(['delete', 'persistentvolumeclaims', '--all', '--timeout=110s']);
  await eventually('no volume', async () => (await cluster.kubectl(['get', 'pv', '-o', 'name'])) === '');
  assert.deepEqual(
    folders.filter((folder) => existsSync(folder)),
    [],
  );
  assert.ok(folders.every((folder) => readdirSync(folder.replace(/\/[^/]+$/, '')).length === 0));
});

test('kubectl drain waits until the disruption budget lets a pod go', async () => {
  const labels = { app: 'web' };
  const spread = { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' };
  const web = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          topologySpreadConstraints: [{ ...spread, labelSelector: { matchLabels: labels } }],
          containers: [
            { ...shell('exec sleep 100000'), readinessProbe: { exec: { command: ['true'] }, initialDelaySeconds: 1 } },
          ],
        },
      },
    },
  };
  const budget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web' },
    spec: { minAvailable: 2, selector: { matchLabels: labels } },
  };
  await cluster.apply(web, budget);
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  await eventually('the budget to be counted', async () => {
    const { status } = await cluster.get<PodDisruptionBudget>('poddisruptionbudget', 'web');
    return status?.currentHealthy === 2;
  });
  const node = (await pods('app=web'))[0]?.spec?.nodeName ?? '';
  const refused = await cluster.tryKubectl(['drain', node, '--ignore-daemonsets', '--timeout=2s']);
  assert.match(refused.stderr, /Cannot evict pod as it would violate the pod's disruption budget\./);
  await cluster.kubectl(['scale', 'deployment/web', '--replicas=3']);
  await cluster.kubectl(['drain', node, '--ignore-daemonsets', '--timeout=110s']);
  assert.ok((await pods('app=web')).every(({ spec }) => spec?.nodeName !== node));
  await cluster.kubectl(['uncordon', node]);
});

test('a CronJob starts a job, and kubectl top and quotas tell what is used', async () => {
  const jobTemplate = { spec: { template: { spec: { restartPolicy: 'Never', containers: [shell('echo tick')] } } } };
  const cron = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'tick' },
    spec: { schedule: '@every 1s', jobTemplate },
  };
  const quota = {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'few' },
    spec: { hard: { configmaps: '2' } },
  };
  await cluster.apply(cron, quota);
  await eventually('a job that is done', async () => {
    const { items } = await cluster.get<{ items: Job[] }>('jobs');
    return items.some(({ metadata, status }) => metadata?.name?.startsWith('tick-') && status?.succeeded === 1);
  });
  await cluster.kubectl(['create', 'configmap', 'one']);
  const { stderr } = await cluster.tryKubectl(['create', 'configmap', 'two']);
  assert.match(stderr, /exceeded quota: few, requested: configmaps=1, used: configmaps=2, limited: configmaps=2/);
  // What a pod uses is known when it has run for a while.
  const top = () => cluster.kubectl(['top', 'pods', '-l', 'app=web']);
  await eventually('the usage', async () => /web-\S+ +\d+m +\d+Mi/.test(await top()));
});

const jobNamed = (job: string) => cluster.get<Job>('job', job).catch((): Job => ({}));

/** Ends the server as a crash would, and returns when another one stands in its place. */
async function killServer(): Promise<void> {
  const find = () => processesIn(`knit/${name}/server`).find((pid) => /server\.js/.test(commandOf(pid)));
  const pid = await eventually('the server to run', async () => find());
  process.kill(pid, 'SIGKILL');
  await eventually('the server to run again', async () => ![undefined, pid].includes(find()));
}
