import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from './json.ts';
import { applyMergePatch } from './merge-patch.ts';

// RFC 7386, appendix A, but for patches that leave no object.
const cases: [document: Json, patch: Json, result: Json][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [document, patch, result] of cases) {
  test(`${JSON.stringify(document)} with ${JSON.stringify(patch)}`, () => {
    const before = structuredClone(document);
    assert.deepEqual(applyMergePatch(document, patch), result);
    assert.deepEqual(document, before, 'the document was changed');
  });
}

test('maps in a new list lose their nulls', () => {
  assert.deepEqual(applyMergePatch({}, { a: [null, { b: null, c: [{ d: null }] }] }), { a: [null, { c: [{}] }] });
});

for (const patch of [null, 'bar', 1]) {
  test(`refused: ${JSON.stringify(patch)}`, () => {
    assert.throws(() => applyMergePatch({ a: 'foo' }, patch), {
      code: 'PATCH_MALFORMED',
      message: 'Invalid JSON Patch',
    });
  });
}
