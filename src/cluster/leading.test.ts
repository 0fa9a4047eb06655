import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leases } from '../api/resource.ts';
import { startTestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { createClient } from '../client/requests.ts';
import { inProcessTransport } from './in-process.ts';
import { createLeading } from './leading.ts';

const log = createLog('leading-test', () => undefined);
const name = 'kube-scheduler';

test('a lease starts what it is for, on one server at a time, and says so in the metrics', async (t) => {
  const api = await startTestApiServer();
  t.after(() => api.stop());
  const client = createClient(inProcessTransport(api.server));
  const lost: string[] = [];
  const candidate = (identity: string) =>
    createLeading({ client, log, identity, lost: (lease) => lost.push(`${identity} ${lease}`) });
  const events: string[] = [];
  const start = (who: string) => async () => {
    events.push(`${who} starts`);
    return { stop: async () => void events.push(`${who} stops`) };
  };
  const a = candidate('a');
  const running = await a.lead(name, start('a'));
  const holder = async () => (await client.get(leases, { namespace: 'kube-system', name })).spec?.holderIdentity;
  assert.equal(await holder(), 'a');
  assert.deepEqual(a.metrics().slice(2), ['leader_election_master_status{name="kube-scheduler"} 1']);

  const b = candidate('b');
  const next = b.lead(name, start('b'));
  assert.deepEqual(b.metrics().slice(2), ['leader_election_master_status{name="kube-scheduler"} 0']);
  await running.stop();
  assert.equal(await holder(), '');
  await next;
  assert.deepEqual(events, ['a starts', 'a stops', 'b starts']);
  assert.deepEqual(lost, []);

  // Somebody else takes it away.
  await client.patch(leases, { namespace: 'kube-system', name }, 'merge', { spec: { holderIdentity: 'c' } });
  await waitFor(() => lost.length > 0, { what: 'b to be told', timeoutMs: 60_000 });
  assert.deepEqual(lost, ['b kube-scheduler']);
  await (await next).stop();
});
