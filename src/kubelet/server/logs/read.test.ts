import assert from 'node:assert/strict';
import { appendFile, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type LogRequest, readLog } from './read.ts';
import { tailOffset } from './tail.ts';

const plain: LogRequest = { timestamps: false, stream: 'all', follow: false };
const entry = (text: string) => `2026-01-01T00:00:00Z stdout F ${text}\n`;

let folder: string;
let count = 0;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'knit-logs-'));
});
after(() => rm(folder, { recursive: true }));

const newFile = async (content: string) => {
  const file = path.join(folder, `${count++}.log`);
  await writeFile(file, content);
  return file;
};

test('the tail of a file is found in blocks of any size, with or without a last newline', async () => {
  for (const content of ['a\nbb\nccc\n', 'a\nbb\nccc', '', '\n', '\n\n\n', 'a']) {
    await using file = await open(await newFile(content));
    const lines = content.split(/(?<=\n)/);
    for (let wanted = 0; wanted <= lines.length + 1; wanted += 1) {
      const tail = wanted === 0 ? '' : lines.slice(-wanted).join('');
      for (const block of [1, 2, 3, 100]) {
        const offset = await tailOffset(file, wanted, block);
        assert.equal(content.slice(offset), tail, JSON.stringify({ content, wanted, block }));
      }
    }
  }
});

/** A log that is followed, read piece by piece. */
function following(file: string, options: Partial<LogRequest> = {}) {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const log = readLog(file, { ...plain, ...options, follow: true }, { ended, signal: AbortSignal.timeout(30_000) });
  const next = async () => (await log.next()).value?.toString();
  return { next, end, log };
}

test('a log that is followed goes on through a rotation, and ends when its container did', async () => {
  const file = await newFile(entry('one'));
  const { next, end } = following(file);
  assert.equal(await next(), 'one\n');
  const two = next();
  await appendFile(file, entry('two'));
  assert.equal(await two, 'two\n');
  await rename(file, `${file}.old`);
  const rest = next();
  await appendFile(`${file}.old`, entry('three'));
  assert.equal(await rest, 'three\n');
  await writeFile(file, entry('four'));
  assert.equal(await next(), 'four\n');
  await appendFile(file, entry('five'));
  end();
  assert.equal(await next(), 'five\n');
  assert.equal(await next(), undefined);
});

test('a log may be followed before its file is there', async () => {
  const file = path.join(folder, 'later.log');
  const { next, end } = following(file, { tailLines: 3 });
  const first = next();
  await writeFile(file, entry('hello'));
  assert.equal(await first, 'hello\n');
  end();
  assert.equal(await next(), undefined);
});

test('the tail is followed from there', async () => {
  const { next, log } = following(await newFile(entry('a') + entry('b')), { tailLines: 1 });
  assert.equal(await next(), 'b\n');
  await log.return(undefined);
});

test('a log that is not there can not be read', async () => {
  const log = readLog(path.join(folder, 'none'), plain, { ended: Promise.resolve(), signal: AbortSignal.abort() });
  await assert.rejects(log.next(), /ENOENT/);
});
