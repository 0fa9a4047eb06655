import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { writePayload } from './atomic-writer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'knit-t-kubelet-volume-'));
});
afterEach(() => rm(folder, { recursive: true }));

const payload = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([name, text]) => [name, { data: Buffer.from(text), mode: 0o640 }]));
const read = (name: string) => readFile(path.join(folder, name), 'utf8');

test('files are seen through ..data, with their modes', async () => {
  assert.equal(await writePayload(folder, payload({ a: '1', 'b/c': '2' })), true);
  assert.equal(await read('a'), '1');
  assert.equal(await read('b/c'), '2');
  assert.equal(await readlink(path.join(folder, 'a')), '..data/a');
  assert.equal((await stat(path.join(folder, 'a'))).mode & 0o777, 0o640);
});

test('what is the same is not written again', async () => {
  await writePayload(folder, payload({ a: '1' }));
  const before = await readlink(path.join(folder, '..data'));
  assert.equal(await writePayload(folder, payload({ a: '1' })), false);
  assert.equal(await readlink(path.join(folder, '..data')), before);
});

test('a change replaces all files at once, and leaves nothing of the old ones', async () => {
  await writePayload(folder, payload({ a: '1', b: '2' }));
  assert.equal(await writePayload(folder, payload({ a: '3', c: '4' })), true);
  assert.equal(await read('a'), '3');
  assert.equal(await read('c'), '4');
  const names = await readdir(folder);
  assert.deepEqual(names.filter((name) => !name.startsWith('..')).sort(), ['a', 'c']);
  assert.equal(names.filter((name) => name.startsWith('..2')).length, 1);
});
