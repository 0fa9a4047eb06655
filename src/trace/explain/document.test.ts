import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { catalogue } from './catalogue.ts';
import { faultsDocument } from './document.ts';

test('docs/faults.md is what the catalogue says: node scripts/faults.ts writes it', () => {
  assert.equal(readFileSync(join(import.meta.dirname, '../../../docs/faults.md'), 'utf8'), faultsDocument());
});

test('every fault stands in one section', () => {
  const document = faultsDocument();
  for (const code of Object.keys(catalogue)) assert.equal(document.split(`### ${code}\n`).length, 2, code);
});
