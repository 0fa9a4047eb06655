import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { StatusError } from '../errors.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';
import type { Flow } from './classifier.ts';
import { FairQueue } from './fair-queue.ts';

const api = '/apis/flowcontrol.apiserver.k8s.io/v1';

const flow = (name: string, seats: number, waiting: number, level = 'level'): Flow => ({
  name,
  level: { name: level, seats, waiting },
  headers: {},
});

/** Requests that end when they are told to. */
function work(order: string[]) {
  const ends: (() => void)[] = [];
  return {
    ends,
    of: (name: string) => () => {
      order.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the fair queue', () => {
  it('begins no more than a level has seats, flow by flow, and refuses what finds no place', async () => {
    const queue = new FairQueue();
    const order: string[] = [];
    const { ends, of } = work(order);
    const greedy = flow('greedy', 2, 4);
    const running = [1, 2, 3, 4, 5, 6].map((i) => queue.run(greedy, of(`greedy ${i}`)));
    const modest = queue.run(flow('modest', 2, 4), of('modest'));
    assert.deepEqual(order, ['greedy 1', 'greedy 2']);
    await assert.rejects(
      queue.run(greedy, of('greedy 7')),
      (error) => error instanceof StatusError && error.code === 429 && error.headers['retry-after'] === '1',
    );
    const other = queue.run(flow('other', 1, 0, 'another level'), of('other'));
    assert.equal(order.at(-1), 'other', 'levels have seats of their own');
    for (let i = 0; i < 8; i++) {
      ends.shift()?.();
      await turn();
      await turn();
    }
    await Promise.all([...running, modest, other]);
    assert.deepEqual(order.slice(3), ['greedy 3', 'modest', 'greedy 4', 'greedy 5', 'greedy 6']);
  });

  it('lets nobody wait for ever, and sees when a level gets seats', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const queue = new FairQueue();
    const order: string[] = [];
    const { of } = work(order);
    const late = queue.run(flow('one', 0, 4), of('late'));
    t.mock.timers.tick(15_000);
    await assert.rejects(late, (error) => error instanceof StatusError && error.code === 429);
    const first = queue.run(flow('one', 0, 4), of('first'));
    void queue.run(flow('one', 2, 4), of('second'));
    await turn();
    assert.deepEqual(order, ['first', 'second']);
    void first;
  });

  it('lets every flow begin in each turn, however many requests another has', async () => {
    const queue = new FairQueue();
    const order: string[] = [];
    const none = Number.POSITIVE_INFINITY;
    const greedy = Array.from({ length: 1000 }, (_, i) =>
      queue.run(flow('greedy', none, none), async () => void order.push(`greedy ${i}`)),
    );
    const modest = queue.run(flow('modest', none, none), async () => void order.push('modest'));
    await modest;
    assert.ok(order.indexOf('modest') <= 32, `modest was number ${order.indexOf('modest')}`);
    await Promise.all(greedy);
    assert.deepEqual(order.slice(-1), ['greedy 999']);
  });
});

describe('flow control', () => {
  it('tells which schema and level a request belongs to, and follows their changes', async (t) => {
    const server = await startTestApiServer();
    const admin = wireTo(server);
    const noisy = wireTo(server, await server.certificate('noxu', []));
    t.after(async () => {
      admin.close();
      noisy.close();
      await server.stop();
    });
    const uidOf = async (plural: string, name: string) =>
      (await admin.get(`${api}/${plural}/${name}`)).json.metadata.uid;
    const toldTo = async (wire: typeof admin) => {
      const { headers } = await wire.get('/api');
      return [headers['x-kubernetes-pf-flowschema-uid'], headers['x-kubernetes-pf-prioritylevel-uid']];
    };
    assert.deepEqual(await toldTo(admin), [
      await uidOf('flowschemas', 'exempt'),
      await uidOf('prioritylevelconfigurations', 'exempt'),
    ]);
    assert.deepEqual(await toldTo(noisy), [
      await uidOf('flowschemas', 'global-default'),
      await uidOf('prioritylevelconfigurations', 'global-default'),
    ]);
    const spec = {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 0, limitResponse: { type: 'Reject' } },
    };
    const level = await admin.post(`${api}/prioritylevelconfigurations`, { metadata: { name: 'noxu' }, spec });
    assert.equal(level.status, 201, level.text);
    const schema = await admin.post(`${api}/flowschemas`, {
      metadata: { name: 'noxu' },
      spec: {
        matchingPrecedence: 1000,
        priorityLevelConfiguration: { name: 'noxu' },
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'noxu' } }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          },
        ],
      },
    });
    assert.equal(schema.status, 201, schema.text);
    const refused = await noisy.get('/api');
    assert.deepEqual([refused.status, refused.json.reason], [429, 'TooManyRequests']);
    assert.equal(refused.headers['retry-after'], '1');
    assert.equal((await admin.get('/api')).status, 200, 'another flow does not notice');
    const more = { spec: { limited: { nominalConcurrencyShares: 5 } } };
    await admin.patch(`${api}/prioritylevelconfigurations/noxu`, 'merge', more);
    const { text } = await admin.get('/metrics');
    assert.match(text, /^apiserver_flowcontrol_nominal_limit_seats\{priority_level="noxu"\} \d+$/m);
    assert.deepEqual(await toldTo(noisy), [schema.json.metadata.uid, level.json.metadata.uid]);
  });

  it('says in a schema whether its level is there', async (t) => {
    const server = await startTestApiServer();
    const admin = wireTo(server);
    t.after(async () => {
      admin.close();
      await server.stop();
    });
    interface Condition {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }
    const dangling = async (name: string) => {
      const { status } = (await admin.get(`${api}/flowschemas/${name}`)).json as {
        status?: { conditions?: Condition[] };
      };
      return status?.conditions?.find(({ type }) => type === 'Dangling');
    };
    const until = (name: string, status: string) =>
      waitFor(async () => (await dangling(name))?.status === status, {
        what: status,
        timeoutMs: 30_000,
        intervalMs: 5,
      });
    assert.equal((await dangling('exempt'))?.status, 'False', 'from the start');
    const rules = [
      {
        subjects: [{ kind: 'User', user: { name: 'noxu' } }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      },
    ];
    const spec = { matchingPrecedence: 1000, priorityLevelConfiguration: { name: 'later' }, rules };
    await admin.post(`${api}/flowschemas`, { metadata: { name: 'noxu' }, spec });
    await until('noxu', 'True');
    const { reason, message } = (await dangling('noxu')) ?? {};
    const about = 'This FlowSchema references the PriorityLevelConfiguration object named "later"';
    assert.deepEqual([reason, message], ['NotFound', `${about} but there is no such object`]);
    const limited = { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } };
    const level = { metadata: { name: 'later' }, spec: { type: 'Limited', limited } };
    assert.equal((await admin.post(`${api}/prioritylevelconfigurations`, level)).status, 201);
    await until('noxu', 'False');
    assert.equal((await dangling('noxu'))?.message, `${about} and it exists`);
    await admin.delete(`${api}/prioritylevelconfigurations/later`);
    await until('noxu', 'True');
  });

  it('refuses what is no schema or level, in the words of Kubernetes', async (t) => {
    const server = await startTestApiServer();
    const admin = wireTo(server);
    t.after(async () => {
      admin.close();
      await server.stop();
    });
    const schema = await admin.post(`${api}/flowschemas`, {
      metadata: { name: 'x' },
      spec: { matchingPrecedence: 1, priorityLevelConfiguration: { name: 'y' }, rules: [{ subjects: [] }] },
    });
    assert.equal(schema.status, 422);
    assert.match(schema.json.message, /only the schema named 'exempt' may have matchingPrecedence 1/);
    assert.match(schema.json.message, /spec.rules\[0\].subjects: Required value: subjects must contain at least one/);
    const queuing = { queues: 2, handSize: 8 };
    const level = await admin.post(`${api}/prioritylevelconfigurations`, {
      metadata: { name: 'x' },
      spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing } } },
    });
    assert.match(level.json.message, /handSize: Invalid value: 8: should not be greater than queues \(2\)/);
    const change = (path: string, spec: object) => admin.patch(`${api}/${path}`, 'merge', { spec });
    const last = await change('flowschemas/catch-all', { matchingPrecedence: 9999 });
    assert.match(last.json.message, /spec of 'catch-all' must equal the fixed value$/);
    const free = 'prioritylevelconfigurations/exempt';
    assert.equal((await change(free, { exempt: { lendablePercent: 10 } })).status, 200);
    assert.match(
      (await change(free, { type: 'Limited' })).json.message,
      /spec of 'exempt' except the 'spec.exempt' field/,
    );
  });
});
