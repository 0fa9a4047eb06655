import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps, pods, resourceQuotas } from '../api/resource.ts';
import { startTestCluster } from './testing.ts';

const inDefault = { namespace: 'default' };

test('a quota tells what is used, of pods and of any other kind', async (t) => {
  const { client, until } = await startTestCluster(t);
  const hard = { pods: '5', 'requests.cpu': '2', 'count/configmaps': '10', 'count/jobs.batch': '1' };
  await client.create(resourceQuotas, { metadata: { ...inDefault, name: 'q' }, spec: { hard } });
  const used = (what: string, test: (used: Record<string, string>) => boolean) =>
    until(what, async () => {
      const { status } = await client.get(resourceQuotas, { ...inDefault, name: 'q' });
      return status?.used && test(status.used) && status;
    });
  await used('nothing used', (amounts) => amounts.pods === '0' && amounts['count/jobs.batch'] === '0');
  const pod = { ...inDefault, name: 'p' };
  const resources = { requests: { cpu: '300m' } };
  await until('the pod', () =>
    client.create(pods, { metadata: { ...pod }, spec: { containers: [{ name: 'c', image: 'i', resources }] } }),
  );
  await client.create(configMaps, { metadata: { ...inDefault, name: 'm' } });
  const status = await used('the pod', (amounts) => amounts.pods === '1' && amounts['count/configmaps'] === '2');
  assert.equal(status.used?.['requests.cpu'], '300m');
  assert.deepEqual(status.hard, hard);
  await client.delete(pods, pod, { gracePeriodSeconds: 0 });
  await used('no pod', (amounts) => amounts.pods === '0' && amounts['requests.cpu'] === '0');
});
