import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CriClient } from './cri/client.ts';
import type { Image } from './cri/messages.ts';
import { removable, startImageGC } from './image-gc.ts';
import { resolveSettings } from './settings.ts';

const record = (id: string, lastUsed: number, firstSeen = 0) => ({
  id,
  size: 1,
  isShipped: false,
  lastUsed,
  firstSeen,
});

test('images go by their last use, then by their age; those in use and those too young stay', () => {
  const records = [
    record('used', Number.POSITIVE_INFINITY),
    record('young', 0, 950),
    record('late', 500),
    record('newer', 0, 10),
    record('older', 0, 5),
    { ...record('shipped', 0), isShipped: true },
  ];
  assert.deepEqual(
    removable(records, 1000, 100).map(({ id }) => id),
    ['older', 'newer', 'late'],
  );
});

const image = (id: string, tag: string): Image => ({
  id,
  size: 10,
  repoTags: [tag],
  repoDigests: [],
  uid: null,
  username: '',
  pinned: false,
});

test('a node short of disk keeps what runs and what came with the cluster', async () => {
  const images = [image('a', 'docker.io/a:1'), image('b', 'docker.io/b:1'), image('c', 'knit.dev/pause:1')];
  const removed: string[] = [];
  const cri = {
    listImages: async () => images,
    listContainers: async () => [{ image: { image: 'docker.io/b:1' }, imageRef: 'b' }],
    removeImage: async (id: string) => void removed.push(id),
  } as unknown as CriClient;
  const gc = startImageGC({ cri, settings: resolveSettings(), imageFolder: '/', tell: assert.fail });
  await gc.removeUnused();
  await gc.stop();
  assert.deepEqual(removed, ['a']);
});
