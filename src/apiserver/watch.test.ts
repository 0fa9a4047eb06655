import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { type Json, wireTo } from './wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

describe('a watch over HTTPS', () => {
  let server: TestApiServer;
  let wire: ReturnType<typeof wireTo>;
  before(async () => {
    server = await startTestApiServer();
    wire = wireTo(server);
  });
  after(async () => {
    wire.close();
    await server.stop();
  });

  const create = (name: string, labels = {}) => wire.post(CONFIG_MAPS, { metadata: { name, labels } });
  const take = async (count: number, path: string, headers?: Record<string, string>) => {
    const events: Json[] = [];
    for await (const event of wire.watch(path, headers)) if (events.push(event) === count) break;
    return events;
  };
  const short = (event: Json | undefined) => `${event?.type} ${event?.object.metadata.name}`;

  it('tells all changes after a revision, a deletion with the last state and a newer version', async () => {
    const { json } = await wire.get(CONFIG_MAPS);
    const made = await create('seen');
    await wire.patch(`${CONFIG_MAPS}/seen`, 'merge', { data: { a: 'b' } });
    await wire.delete(`${CONFIG_MAPS}/seen`);
    const events = await take(3, `${CONFIG_MAPS}?watch=1&resourceVersion=${json.metadata.resourceVersion}`);
    assert.deepEqual(events.map(short), ['ADDED seen', 'MODIFIED seen', 'DELETED seen']);
    assert.deepEqual(events[0]?.object, made.json);
    assert.equal(events[2]?.object.data.a, 'b');
    assert.ok(Number(events[2]?.object.metadata.resourceVersion) > Number(events[1]?.object.metadata.resourceVersion));
  });

  it('shows an object that begins or ceases to match as added or deleted', async () => {
    const { json } = await wire.get(CONFIG_MAPS);
    await create('moves', { app: 'x' });
    await wire.patch(`${CONFIG_MAPS}/moves`, 'merge', { metadata: { labels: { app: 'web' } } });
    await wire.patch(`${CONFIG_MAPS}/moves`, 'merge', { data: { a: 'b' } });
    await wire.patch(`${CONFIG_MAPS}/moves`, 'merge', { metadata: { labels: { app: 'x' } } });
    const path = `${CONFIG_MAPS}?watch=1&labelSelector=app%3Dweb&resourceVersion=${json.metadata.resourceVersion}`;
    assert.deepEqual((await take(3, path)).map(short), ['ADDED moves', 'MODIFIED moves', 'DELETED moves']);
    await wire.delete(`${CONFIG_MAPS}/moves`);
  });

  it('starts with what is there, and marks the end of it where it is asked to', async () => {
    await create('first');
    assert.deepEqual((await take(1, `${CONFIG_MAPS}?watch=1`)).map(short), ['ADDED first']);
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const [added, mark] = await take(2, `${CONFIG_MAPS}?${query}`);
    assert.equal(short(added), 'ADDED first');
    assert.equal(mark?.type, 'BOOKMARK');
    assert.equal(mark?.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
    await wire.delete(`${CONFIG_MAPS}/first`);
  });

  it('sends all that is there at the start, however large, and then cuts off who does not read', async () => {
    const path = '/api/v1/namespaces/kube-public/configmaps';
    const big = (index: number) => ({ metadata: { name: `big-${index}` }, data: { a: 'x'.repeat(900_000) } });
    await Promise.all(Array.from({ length: 24 }, (_, index) => wire.post(path, big(index))));
    const response = await wire.open('GET', `${path}?watch=1`);
    // Nothing is read meanwhile: the answers to 60 writes pile up behind the start.
    for (let turn = 0; turn < 60; turn++) {
      await wire.patch(`${path}/big-0`, 'merge', { data: { turn: String(turn) } });
    }
    let received = 0;
    const readAll = async () => {
      for await (const chunk of response) received += chunk.length;
    };
    await assert.rejects(readAll(), { code: 'ECONNRESET' });
    assert.ok(received < 84 * 900_000, `${received} bytes came`);
    await wire.delete(path);
  });

  it('ends after its timeout', async () => {
    const events: Json[] = [];
    for await (const event of wire.watch(`${CONFIG_MAPS}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true`)) {
      events.push(event);
    }
    assert.deepEqual(
      events.map(({ type }) => type),
      ['BOOKMARK'],
    );
  });

  it('refuses a revision that is forgotten, or not there yet', async () => {
    const old = await wire.get(`${CONFIG_MAPS}?watch=1&resourceVersion=999999`);
    assert.equal(old.json.details.causes[0]?.reason, 'ResourceVersionTooLarge');
  });

  it('speaks Tables: columns with the first, one row each', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    await Promise.all([create('t1'), create('t2')]);
    const [first, second] = await take(2, `${CONFIG_MAPS}?watch=1`, { accept });
    assert.equal(first?.object.columnDefinitions[0]?.name, 'Name');
    assert.deepEqual([second?.object.columnDefinitions, second?.object.rows[0]?.cells[0]], [null, 't2']);
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const [, , mark] = await take(3, `${CONFIG_MAPS}?${query}&includeObject=None`, { accept });
    assert.equal(mark?.type, 'BOOKMARK');
    const [row] = (mark?.object.rows ?? []) as readonly { readonly object?: Json['object'] }[];
    assert.equal(row?.object?.metadata.annotations['k8s.io/initial-events-end'], 'true');
  });

  it('ends when the server stops', async () => {
    const other = await startTestApiServer();
    const client = wireTo(other);
    const watch = client.watch('/api/v1/namespaces?watch=1');
    await watch.next();
    await other.stop();
    const rest: Json[] = [];
    for await (const event of watch) rest.push(event);
    assert.equal(rest.length, 3, 'the other namespaces were still told');
    client.close();
  });
});
