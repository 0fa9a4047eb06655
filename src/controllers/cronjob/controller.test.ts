import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronJobs, jobs } from '../../api/resource.ts';
import { startTestCluster } from '../testing.ts';

test('a CronJob makes jobs that are its own, and names them in its status', async (t) => {
  const { client, until, listed } = await startTestCluster(t);
  const ref = { namespace: 'default', name: 'tick' };
  await client.create(cronJobs, {
    metadata: { ...ref },
    spec: {
      schedule: '@every 1s',
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      },
    },
  });
  const [job] = await until('a job', async () => {
    const all = await listed(jobs, { namespace: 'default' });
    return all.length > 0 && all;
  });
  assert.match(job?.metadata?.name ?? '', /^tick-\d+$/);
  assert.equal(job?.metadata?.ownerReferences?.[0]?.name, 'tick');
  const status = await until('the status', async () => {
    const present = (await client.get(cronJobs, ref)).status;
    return present?.active && present;
  });
  assert.equal(status.active?.[0]?.name, job?.metadata?.name);
  assert.ok(status.lastScheduleTime);
});
