import 'reflect-metadata';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import type { CronJob, Job, Namespace, PersistentVolumeClaim, Pod } from '../src/api/types.ts';
import { waitFor } from '../src/base/wait.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

const zone = 'Asia/Kolkata';
let cluster: TestCluster;
/** When the CronJob is due, by its own clock. */
let due: Date;

before(async () => {
  cluster = await startCluster('controllers', ['--nodes', '2', '--uplink', 'none']);
  due = nextMinute();
  await cluster.apply({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'daily' },
    spec: {
      schedule: `${inZone({ minute: 'numeric' })} ${inZone({ hour: 'numeric', hourCycle: 'h23' })} * * *`,
      timeZone: zone,
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [shell('true')] } } } },
    },
  });
});
after(() => cluster?.down());

/** The first full minute that is not about to begin. */
function nextMinute(): Date {
  const minuteMs = 60_000;
  return new Date(Math.ceil((Date.now() + 10_000) / minuteMs) * minuteMs);
}

const inZone = (form: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat('en', { timeZone: zone, ...form }).format(due);
const shell = (script: string) => ({ name: 'main', image: 'knit.dev/lab:1', command: ['sh', '-c', script] });
const sleeper = shell('exec sleep 100000');
const pod = (name: string, spec: object, labels = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { terminationGracePeriodSeconds: 0, containers: [sleeper], ...spec },
});
const podsOf = async (selector: string) => (await cluster.get<{ items: Pod[] }>('pods', '-l', selector)).items;
const isGone = async (...what: string[]) =>
  (await cluster.kubectl(['get', ...what, '--ignore-not-found', '-o', 'name'])) === '';
/** The message of a pod's condition PodScheduled, where that is false. */
const whyPending = async (name: string) =>
  (await cluster.get<Pod>('pod', name)).status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );

test('a suspended Job waits, a resumed one runs each index once, and goes with its pods when its time is over', async () => {
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'indexed' },
    spec: {
      ...{ suspend: true, completionMode: 'Indexed', completions: 4, parallelism: 2 },
      template: {
        spec: { restartPolicy: 'Never', containers: [shell('echo "did $JOB_COMPLETION_INDEX" >/dev/termination-log')] },
      },
    },
  };
  await cluster.apply(job);
  await cluster.kubectl(['wait', '--for=condition=Suspended', 'job/indexed', '--timeout=110s']);
  assert.deepEqual(await podsOf('job-name=indexed'), []);
  await cluster.kubectl(['patch', 'job', 'indexed', '-p', '{"spec":{"suspend":false}}']);
  const { status } = await eventually('the Job to be complete', async () => {
    const present = await cluster.get<Job>('job', 'indexed');
    return present.status?.conditions?.some(({ type }) => type === 'Complete') && present;
  });
  assert.equal(status?.completedIndexes, '0-3');
  const said = (await podsOf('job-name=indexed')).map(
    (each) => each.status?.containerStatuses?.[0]?.state?.terminated?.message?.trim() ?? '',
  );
  assert.deepEqual(said.toSorted(), ['did 0', 'did 1', 'did 2', 'did 3']);
  // Its time begins only now that the pods were looked at.
  await cluster.kubectl(['patch', 'job', 'indexed', '-p', '{"spec":{"ttlSecondsAfterFinished":1}}']);
  await eventually(
    'nothing of it',
    async () => (await isGone('job', 'indexed')) && (await isGone('pods', '-l', 'job-name=indexed')),
  );
});

test('a claim waits for its first pod, keeps what was written, stays while it is used, and takes its volume along', async () => {
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'disk' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
  };
  const using = (script: string) => ({
    containers: [{ ...shell(script), volumeMounts: [{ name: 'disk', mountPath: '/disk' }] }],
    volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: 'disk' } }],
  });
  await cluster.apply(claim);
  await eventually('the event', async () =>
    /WaitForFirstConsumer .* waiting for first consumer to be created before binding/.test(
      await cluster.kubectl(['describe', 'pvc', 'disk']),
    ),
  );
  await cluster.apply(pod('writer', { restartPolicy: 'Never', ...using('echo kept >/disk/word') }));
  await cluster.kubectl(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/writer', '--timeout=110s']);
  await cluster.kubectl(['delete', 'pod', 'writer']);
  await cluster.apply(pod('reader', using('cat /disk/word; exec sleep 100000')));
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/reader', '--timeout=110s']);
  await eventually('what was kept', async () => (await cluster.kubectl(['logs', 'reader'])) === 'kept\n');

  await cluster.kubectl(['delete', 'pvc', 'disk', '--wait=false']);
  const { metadata, status } = await cluster.get<PersistentVolumeClaim>('pvc', 'disk');
  assert.deepEqual([metadata?.finalizers, status?.phase], [['kubernetes.io/pvc-protection'], 'Bound']);
  await cluster.kubectl(['delete', 'pod', 'reader']);
  await eventually('claim and volume to be gone', async () => (await isGone('pvc')) && (await isGone('pv')));
});

test('a gated pod is not looked at, and one that repels its like waits for a node of its own', async () => {
  await cluster.apply(pod('gated', { schedulingGates: [{ name: 'example.com/later' }] }));
  await eventually('the gate', async () => (await whyPending('gated'))?.reason === 'SchedulingGated');
  assert.match(await cluster.kubectl(['get', 'pod', 'gated']), /gated +0\/1 +SchedulingGated /);
  await cluster.kubectl([
    'patch',
    'pod',
    'gated',
    '--type=json',
    '-p',
    '[{"op":"remove","path":"/spec/schedulingGates"}]',
  ]);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/gated', '--timeout=110s']);

  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'alone' } } };
  const alone = (name: string) =>
    pod(
      name,
      { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
      { app: 'alone' },
    );
  await cluster.apply(alone('first'), alone('second'));
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/first', 'pod/second', '--timeout=110s']);
  assert.equal(new Set((await podsOf('app=alone')).map(({ spec }) => spec?.nodeName)).size, 2);
  await cluster.apply(alone('third'));
  const message = await eventually('the reason', async () => (await whyPending('third'))?.message);
  assert.match(message, /^0\/2 nodes are available: 2 node\(s\) didn't match pod anti-affinity rules\./);
  await cluster.kubectl(['delete', 'pod', 'first']);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/third', '--timeout=110s']);
});

test('a pod that was given its resources by a LimitRange runs in their class, and goes', async () => {
  await cluster.kubectl(['create', 'namespace', 'limited']);
  const limits = [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '10m' } }];
  const metadata = { name: 'few', namespace: 'limited' };
  await cluster.apply({ apiVersion: 'v1', kind: 'LimitRange', metadata, spec: { limits } });
  const given = pod('given', {});
  await cluster.apply({ ...given, metadata: { ...given.metadata, namespace: 'limited' } });
  await cluster.kubectl(['wait', '-n', 'limited', '--for=condition=Ready', 'pod/given', '--timeout=110s']);
  const { status } = await cluster.get<Pod>('pod', '-n', 'limited', 'given');
  assert.equal(status?.qosClass, 'Burstable');
  await cluster.kubectl(['delete', 'namespace', 'limited', '--timeout=110s']);
});

test('a certificate that kubectl has approved is signed, and is who it says', async () => {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=jane,O=developers',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  await cluster.apply({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'jane' },
    spec: {
      request: Buffer.from(made.toString('pem')).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    },
  });
  assert.match(await cluster.kubectl(['get', 'csr', 'jane']), / Pending$/m);
  await cluster.kubectl(['certificate', 'approve', 'jane']);
  const certificate = await eventually('the certificate', async () => {
    const { status } = await cluster.get<{ status: { certificate?: string } }>('csr', 'jane');
    return status.certificate;
  });
  assert.match(await cluster.kubectl(['get', 'csr', 'jane']), / Approved,Issued$/m);
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  const [certificateFile, keyFile] = [`${cluster.kubeconfig}.crt`, `${cluster.kubeconfig}.key`];
  writeFileSync(certificateFile, Buffer.from(certificate, 'base64'));
  writeFileSync(keyFile, key, { mode: 0o600 });
  await cluster.kubectl([
    'config',
    'set-credentials',
    'jane',
    `--client-certificate=${certificateFile}`,
    `--client-key=${keyFile}`,
  ]);
  const asJane = (...args: string[]) => cluster.tryKubectl(['--user=jane', ...args]);
  assert.match((await asJane('auth', 'whoami')).stdout, /Username +jane\nGroups +\[developers system:authenticated\]/);
  assert.match((await asJane('get', 'pods')).stderr, /pods is forbidden: User "jane" cannot list resource "pods"/);
  await cluster.kubectl(['create', 'rolebinding', 'developers', '--clusterrole=view', '--group=developers']);
  assert.equal((await asJane('get', 'pods', 'gated', '-o', 'name')).stdout, 'pod/gated\n');
});

test('a namespace that cannot go says what is left of it, and goes when that is gone', async () => {
  await cluster.kubectl(['create', 'namespace', 'leaving']);
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'held', namespace: 'leaving', finalizers: ['example.com/held'] },
  });
  await cluster.kubectl(['delete', 'namespace', 'leaving', '--wait=false']);
  const condition = async (wanted: string) =>
    (await cluster.get<Namespace>('namespace', 'leaving')).status?.conditions?.find(
      ({ type, status }) => type === wanted && status === 'True',
    )?.message;
  assert.equal(
    await eventually('what is left', () => condition('NamespaceContentRemaining')),
    'Some resources are remaining: configmaps. has 1 resource instances',
  );
  assert.equal(
    await eventually('the finalizer', () => condition('NamespaceFinalizersRemaining')),
    'Some content in the namespace has finalizers remaining: example.com/held in 1 resource instances',
  );
  const refused = await cluster.tryKubectl(['-n', 'leaving', 'create', 'configmap', 'late']);
  assert.match(refused.stderr, /because it is being terminated/);
  await cluster.kubectl(['-n', 'leaving', 'patch', 'configmap', 'held', '-p', '{"metadata":{"finalizers":null}}']);
  await eventually('the namespace to be gone', () => isGone('namespace', 'leaving'));
});

test('Endpoints that somebody writes for a Service without a selector lead there', async () => {
  await cluster.apply(pod('backend', { containers: [{ name: 'web', image: 'knit.dev/lab:1' }] }));
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/backend', '--timeout=110s']);
  const { status } = await cluster.get<Pod>('pod', 'backend');
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'by-hand' }, spec: { ports: [{ port: 80 }] } };
  const subsets = [{ addresses: [{ ip: status?.podIP }], ports: [{ port: 8080 }] }];
  await cluster.apply(service, { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'by-hand' }, subsets });
  const { spec } = await cluster.get<{ spec: { clusterIP: string } }>('service', 'by-hand');
  const page = () => cluster.knit(['exec', 'node/node-1', '--', 'curl', '-sS', '-m', '5', `http://${spec.clusterIP}/`]);
  assert.match(await eventually('the page', page), /backend/);
  assert.equal(
    await cluster.kubectl([
      ...['get', 'endpointslices', '-l', 'kubernetes.io/service-name=by-hand', '-o'],
      'jsonpath={.items[*].metadata.labels.endpointslice\\.kubernetes\\.io/managed-by}',
    ]),
    'endpointslicemirroring-controller.k8s.io',
  );
});

test('a CronJob goes by the clock of its time zone', async () => {
  const last = await waitFor(
    async () => {
      const { status } = await cluster.get<CronJob>('cronjob', 'daily');
      return status?.lastSuccessfulTime !== undefined && status.lastScheduleTime;
    },
    { what: 'the job', timeoutMs: 180_000, intervalMs: 500 },
  );
  assert.equal(Date.parse(String(last)), due.getTime());
  const { items } = await cluster.get<{ items: Job[] }>('jobs');
  assert.deepEqual(
    items.map(({ metadata }) => metadata?.name),
    [`daily-${due.getTime() / 60_000}`],
  );
});
