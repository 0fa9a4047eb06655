import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { envFileValue, parseEnvFile } from './env-file.ts';

test('a file of variables has values in single quotes, comments and blank lines', () => {
  const text = "\n# first\n  A='1' # one\n\nB='two\nlines # of it'\nC= 'x'\nA='2'\n   ";
  assert.deepEqual(
    [...parseEnvFile(text)],
    [
      ['A', '1'],
      ['B', 'two\nlines # of it'],
      ['C', ''],
    ],
  );
  assert.deepEqual([...parseEnvFile('')], []);
});

test('whatever else is in it is refused, with its line', () => {
  for (const wrong of ['B=1', 'B="1"', "B ='1'", "='1'", 'B', "B='1", "B='1' x"]) {
    assert.throws(() => parseEnvFile(`A='1'\n${wrong}\n`), /invalid environment variable format at line 2$/, wrong);
  }
});

test('a file is read within its volume only', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'knit-t-env-'));
  try {
    writeFileSync(path.join(folder, 'a.env'), "A='1'\n");
    symlinkSync('/etc/hostname', path.join(folder, 'out'));
    assert.equal(await envFileValue(folder, 'a.env', 'A'), '1');
    assert.equal(await envFileValue(folder, 'a.env', 'B'), undefined);
    assert.equal(await envFileValue(folder, 'b.env', 'A'), undefined);
    await assert.rejects(envFileValue(folder, 'out', 'A'), /leads out of the volume/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
