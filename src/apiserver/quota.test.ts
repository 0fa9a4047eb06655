import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { limitRanges, persistentVolumeClaims, pods, resourceQuotas, serviceAccounts } from '../api/resource.ts';
import type { Container, LimitRange, Pod, PodSpec, ResourceQuota } from '../api/types.ts';
import { ApiError } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createClient } from '../client/requests.ts';
import { startTestApiServer } from './testing.ts';

const namespace = 'default';

async function start(t: TestContext) {
  const server = await startTestApiServer();
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  const client = createClient(transport);
  t.after(async () => {
    await transport.close();
    await server.stop();
  });
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace } });
  const refusal = async (write: Promise<unknown>): Promise<string> => {
    try {
      await write;
      return 'written';
    } catch (error) {
      assert.ok(error instanceof ApiError && error.code === 403);
      return error.message;
    }
  };
  return {
    client,
    refusal,
    quota: (spec: ResourceQuota['spec']) => client.create(resourceQuotas, { metadata: { name: 'q', namespace }, spec }),
    limit: (limit: Partial<NonNullable<LimitRange['spec']>['limits'][number]>) =>
      client.create(limitRanges, {
        metadata: { name: 'l', namespace },
        spec: { limits: [{ type: 'Container', ...limit }] },
      }),
    pod: (name: string, resources: Container['resources'] = {}, spec: Partial<PodSpec> = {}): Promise<Pod> =>
      client.create(pods, {
        metadata: { name, namespace },
        spec: { containers: [{ name: 'main', image: 'i', resources }], ...spec },
      }),
  };
}

const cpu = (request: string, limit?: string): Container['resources'] => ({
  requests: { cpu: request },
  ...(limit === undefined ? {} : { limits: { cpu: limit } }),
});

test('what a quota has no room for is refused, in Kubernetes’ words', async (t) => {
  const { quota, pod, refusal } = await start(t);
  await quota({ hard: { 'requests.cpu': '1', pods: '10' } });
  await pod('a', cpu('600m'));
  assert.equal(
    await refusal(pod('b', cpu('600m'))),
    'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1',
  );
  assert.equal(await refusal(pod('c', cpu('400m'))), 'written');
});

test('quotas and bounds hold for a pod that is resized in place', async (t) => {
  const { client, quota, limit, pod, refusal } = await start(t);
  await quota({ hard: { 'requests.cpu': '1' } });
  await limit({ min: { cpu: '100m' }, max: { cpu: '800m' } });
  await pod('a', cpu('300m', '500m'));
  await pod('b', cpu('300m', '500m'));
  const resized = (resources: Container['resources']) =>
    client.patch(
      pods,
      { namespace, name: 'a' },
      'strategic',
      { spec: { containers: [{ name: 'main', resources }] } },
      'resize',
    );
  assert.equal(
    await refusal(resized(cpu('800m', '800m'))),
    'pods "a" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1',
  );
  assert.match(
    await refusal(resized(cpu('300m', '900m'))),
    /maximum cpu usage per Container is 800m, but limit is 900m$/,
  );
  assert.match(
    await refusal(resized(cpu('50m', '500m'))),
    /minimum cpu usage per Container is 100m, but request is 50m$/,
  );
  assert.equal(await refusal(resized(cpu('700m', '800m'))), 'written');
});

test('of writes that come at once no more succeed than there is room for', async (t) => {
  const { quota, pod, refusal } = await start(t);
  await quota({ hard: { pods: '3' } });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => refusal(pod(`p${index}`))));
  assert.equal(answers.filter((answer) => answer === 'written').length, 3);
});

test('where a quota limits an amount, containers have to name it', async (t) => {
  const { quota, pod, refusal } = await start(t);
  await quota({ hard: { 'limits.cpu': '1', 'requests.cpu': '1' } });
  assert.equal(
    await refusal(pod('a')),
    'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: main; requests.cpu for: main',
  );
});

test('a scope says which pods count', async (t) => {
  const { quota, pod, refusal } = await start(t);
  await quota({ hard: { pods: '0' }, scopes: ['BestEffort'] });
  assert.match(await refusal(pod('a')), /exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0/);
  assert.equal(await refusal(pod('b', cpu('1m'))), 'written');
});

test('a scope says of which class of attributes claims count', async (t) => {
  const { client, quota, refusal } = await start(t);
  const gold = { scopeName: 'VolumeAttributesClass', operator: 'In', values: ['gold'] };
  await quota({ hard: { persistentvolumeclaims: '1' }, scopeSelector: { matchExpressions: [gold] } });
  const claim = (name: string, volumeAttributesClassName?: string) =>
    client.create(persistentVolumeClaims, {
      metadata: { name, namespace },
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' } },
        volumeAttributesClassName,
      },
    });
  await claim('a', 'gold');
  assert.match(await refusal(claim('b', 'gold')), /exceeded quota: q, requested: persistentvolumeclaims=1/);
  for (const name of [undefined, 'silver']) assert.equal(await refusal(claim(`c-${name}`, name)), 'written');
});

test('claims are counted by their storage, also of one class', async (t) => {
  const { client, quota, refusal } = await start(t);
  await quota({ hard: { 'fast.storageclass.storage.k8s.io/requests.storage': '3Gi' } });
  const claim = (name: string, storage: string, storageClassName: string) =>
    client.create(persistentVolumeClaims, {
      metadata: { name, namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName },
    });
  await claim('a', '2Gi', 'fast');
  assert.match(
    await refusal(claim('b', '2Gi', 'fast')),
    /requested: fast.*=2Gi, used: fast.*=2Gi, limited: fast.*=3Gi/,
  );
  assert.equal(await refusal(claim('c', '2Gi', 'slow')), 'written');
});

test('a LimitRange fills in what a container leaves out, and says so', async (t) => {
  const { limit, pod } = await start(t);
  await limit({ default: { cpu: '500m' }, defaultRequest: { cpu: '100m' } });
  const { metadata, spec, status } = await pod('a');
  assert.deepEqual(spec?.containers[0]?.resources, { limits: { cpu: '500m' }, requests: { cpu: '100m' } });
  assert.equal(status?.qosClass, 'Burstable', 'by what it has been given');
  assert.equal(
    metadata?.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu request for container main; cpu limit for container main',
  );
  assert.deepEqual((await pod('b', cpu('1', '2'))).spec?.containers[0]?.resources, cpu('1', '2'));
});

test('bounds of a LimitRange hold for containers', async (t) => {
  const { limit, pod, refusal } = await start(t);
  await limit({ min: { cpu: '100m' }, max: { cpu: '1' }, maxLimitRequestRatio: { cpu: '2' } });
  assert.equal(
    await refusal(pod('small', cpu('50m', '90m'))),
    'pods "small" is forbidden: minimum cpu usage per Container is 100m, but request is 50m',
  );
  assert.match(await refusal(pod('large', cpu('1', '2'))), /maximum cpu usage per Container is 1, but limit is 2$/);
  assert.match(
    await refusal(pod('wide', cpu('100m', '1'))),
    /cpu max limit to request ratio per Container is 2, but provided ratio is 10\.000000$/,
  );
  assert.equal(await refusal(pod('right', cpu('500m', '1'))), 'written');
});
