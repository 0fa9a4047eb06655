import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { pageSize } from './stats.ts';

test('pages have the size that the kernel tells, not always 4 KiB', () => {
  assert.equal(pageSize(), Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })));
  const told = [6n, 16_384n, 0n, 0n].map((word) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(word);
    return bytes;
  });
  assert.equal(pageSize(Buffer.concat(told)), 16_384);
});
