import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Compacted, RevisionConflict, type Store, type StoreEvent } from './store.ts';

/** States what every engine promises. `open` gives an empty store. */
export function describeStore(engine: string, open: () => Promise<Store>): void {
  describe(`a store in ${engine}`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    it('reads what was written, with its revisions', async () => {
      const first = await store.put('/a', 'one', 0);
      const second = await store.put('/a', 'two', first.modRevision);
      assert.deepEqual(await store.get('/a'), { key: '/a', value: 'two', createRevision: 1, modRevision: 2 });
      assert.equal(second.createRevision, first.createRevision);
      assert.equal(store.revision, 2);
      assert.equal(await store.get('/b'), undefined);
    });

    it('keeps text beyond ASCII, empty text and large text as they are', async () => {
      const texts = ['', 'grüße ☸ 𝄞', 'x'.repeat(2_000_000), 'a\u0000b'];
      await Promise.all(texts.map((text, index) => store.put(`/k${index}`, text, 0)));
      for (const [index, text] of texts.entries()) assert.equal((await store.get(`/k${index}`))?.value, text);
    });

    it('refuses a write whose key is at another revision, and changes nothing', async () => {
      const { modRevision } = await store.put('/a', 'one', 0);
      const conflict = (actual: number) => (error: unknown) =>
        error instanceof RevisionConflict && error.actual === actual && error.key === '/a';
      await assert.rejects(store.put('/a', 'two', 0), conflict(modRevision));
      await assert.rejects(store.put('/a', 'two', 7), conflict(modRevision));
      await assert.rejects(store.delete('/a', 7), conflict(modRevision));
      await store.delete('/a', modRevision);
      await assert.rejects(store.delete('/a', 0), conflict(0));
      await assert.rejects(store.put('/a', 'two', modRevision), conflict(0));
      assert.equal(store.revision, 2);
    });

    it('lets one of many writers win who start from the same revision', async () => {
      const { modRevision } = await store.put('/a', 'start', 0);
      const results = await Promise.allSettled(
        Array.from({ length: 50 }, (_, index) => store.put('/a', String(index), modRevision)),
      );
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
      assert.equal(store.revision, modRevision + 1);
    });

    it('lets writes of one moment build on each other', async () => {
      const [first, second] = await Promise.all([store.put('/a', 'one', 0), store.put('/a', 'two', 1)]);
      assert.deepEqual([first?.modRevision, second?.modRevision], [1, 2]);
      const [deletion, again] = await Promise.all([store.delete('/a', 2), store.put('/a', 'new', 0)]);
      assert.equal(deletion, 3);
      assert.deepEqual([again?.createRevision, again?.modRevision], [4, 4]);
    });

    it('does all of several writes or none', async () => {
      const put = (key: string, expected = 0) => ({ key, value: key, expected });
      const seen: string[][] = [];
      store.watch('/', 0, (events) => seen.push(events.map((event) => ('entry' in event ? event.entry : event).key)));
      assert.deepEqual(await store.write([put('/a'), put('/b')]), [1, 2]);
      const refused = (error: unknown) => error instanceof RevisionConflict && error.key === '/b';
      await assert.rejects(store.write([put('/c'), put('/b')]), refused);
      assert.equal(await store.get('/c'), undefined);
      const [moved, again] = await Promise.all([
        store.write([{ key: '/a', value: undefined, expected: 1 }, put('/c')]),
        store.write([put('/a'), put('/c', 4)]),
      ]);
      assert.deepEqual(
        [moved, again],
        [
          [3, 4],
          [5, 6],
        ],
      );
      assert.deepEqual(seen, [
        ['/a', '/b'],
        ['/a', '/c', '/a', '/c'],
      ]);
    });

    it('lists a prefix in key order, in pages', async () => {
      for (const key of ['/p/b', '/p/a', '/q/a', '/p/c', '/p', '/p/a/x']) await store.put(key, key, 0);
      const keys = async (options: { limit?: number; after?: string }) => {
        const { entries, more } = await store.list('/p/', options);
        return [entries.map(({ key }) => key), more];
      };
      assert.deepEqual(await keys({}), [['/p/a', '/p/a/x', '/p/b', '/p/c'], false]);
      assert.deepEqual(await keys({ limit: 2 }), [['/p/a', '/p/a/x'], true]);
      assert.deepEqual(await keys({ limit: 2, after: '/p/a/x' }), [['/p/b', '/p/c'], false]);
    });

    it('lists and reads the past', async () => {
      const a = await store.put('/a', 'old', 0);
      await store.put('/b', 'b', 0);
      await store.put('/a', 'new', a.modRevision);
      await store.delete('/b', 2);
      const past = await store.list('/', { revision: 2 });
      assert.deepEqual([past.revision, past.entries.map(({ value }) => value)], [2, ['old', 'b']]);
      assert.equal((await store.get('/b', { revision: 3 }))?.value, 'b');
      assert.equal(await store.get('/b'), undefined);
      assert.equal(await store.get('/b', { revision: 1 }), undefined);
      await assert.rejects(store.get('/a', { revision: 99 }), { code: 'STORE_FUTURE_REVISION' });
    });

    it('tells a watch every change of its prefix, once and in order', async () => {
      const seen: string[] = [];
      const stop = store.watch('/p/', 0, (events) => seen.push(...events.map(describeEvent)));
      await store.put('/p/a', 'one', 0);
      await store.put('/other', 'x', 0);
      await Promise.all([store.put('/p/a', 'two', 1), store.put('/p/b', 'b', 0)]);
      await store.delete('/p/a', 3);
      stop();
      await store.put('/p/c', 'c', 0);
      assert.deepEqual(seen, ['1 /p/a=one', '3 /p/a=two was one', '4 /p/b=b', '5 /p/a gone, was two']);
    });

    it('tells a watch that starts in the past what it missed, then what comes', async () => {
      await store.put('/a', 'one', 0);
      await store.put('/a', 'two', 1);
      await store.delete('/a', 2);
      const seen: string[] = [];
      const stop = store.watch('/', 1, (events) => seen.push(...events.map(describeEvent)));
      await store.put('/b', 'b', 0);
      stop();
      assert.deepEqual(seen, ['2 /a=two was one', '3 /a gone, was two', '4 /b=b']);
    });

    it('forgets what came before a compaction, and keeps what is present', async () => {
      await store.put('/a', 'one', 0);
      await store.put('/a', 'two', 1);
      await store.put('/b', 'b', 0);
      await store.delete('/b', 3);
      await store.put('/a', 'three', 2);
      await store.compact(4);
      await assert.rejects(store.list('/', { revision: 3 }), Compacted);
      assert.throws(() => store.watch('/', 3, () => undefined), Compacted);
      assert.deepEqual(
        (await store.list('/', { revision: 4 })).entries.map(({ value }) => value),
        ['two'],
      );
      const seen: string[] = [];
      const stop = store.watch('/', 4, (events) => seen.push(...events.map(describeEvent)));
      await store.put('/b', 'again', 0);
      stop();
      assert.deepEqual(seen, ['5 /a=three was two', '6 /b=again']);
      await store.compact(1);
      await store.compact(1_000_000);
      assert.deepEqual(
        (await store.list('/')).entries.map(({ value }) => value),
        ['three', 'again'],
      );
      assert.equal((await store.put('/c', 'c', 0)).modRevision, 7);
    });

    it('takes no more writes after it was closed', async () => {
      await store.close();
      await assert.rejects(store.put('/a', 'x', 0), { code: 'STORE_CLOSED' });
    });
  });
}

function describeEvent(event: StoreEvent): string {
  if (event.type === 'delete') return `${event.revision} ${event.key} gone, was ${event.previous.value}`;
  const { modRevision, key, value } = event.entry;
  return `${modRevision} ${key}=${value}${event.previous ? ` was ${event.previous.value}` : ''}`;
}
