import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from './json.ts';
import { applyJsonPatch } from './json-patch.ts';

const applied: [what: string, document: Json, operations: Json, result: Json][] = [
  ['add puts a key', { a: 1 }, [{ op: 'add', path: '/b', value: null }], { a: 1, b: null }],
  ['add overwrites a key', { a: 1 }, [{ op: 'add', path: '/a', value: 2 }], { a: 2 }],
  ['add inserts into a list', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
  ['add appends with -', { a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
  ['remove takes a key away', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
  ['remove takes an element away', { a: [1, 2, 3] }, [{ op: 'remove', path: '/a/1' }], { a: [1, 3] }],
  ['replace', { a: { b: 1 } }, [{ op: 'replace', path: '/a/b', value: [1] }], { a: { b: [1] } }],
  ['replace of the whole', { a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  ['move', { a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
  ['copy', { a: [1] }, [{ op: 'copy', from: '/a', path: '/b' }], { a: [1], b: [1] }],
  [
    'test passes',
    { a: { x: [1, { y: 2 }] } },
    [{ op: 'test', path: '/a', value: { x: [1, { y: 2 }] } }],
    { a: { x: [1, { y: 2 }] } },
  ],
  ['test of null passes for what is missing', {}, [{ op: 'test', path: '/a', value: null }], {}],
  ['replace adds a key', {}, [{ op: 'replace', path: '/a', value: 1 }], { a: 1 }],
  ['a value that is left out is null', {}, [{ op: 'add', path: '/a' }], { a: null }],
  ['copy of a key that is not there is null', {}, [{ op: 'copy', from: '/a', path: '/b' }], { b: null }],
  ['a negative index counts from the end', { a: [1, 2] }, [{ op: 'replace', path: '/a/-1', value: 3 }], { a: [1, 3] }],
  ['add at -1 appends', { a: [1] }, [{ op: 'add', path: '/a/-1', value: 2 }], { a: [1, 2] }],
  ['an index with a sign and zeros', { a: [1, 2] }, [{ op: 'remove', path: '/a/+01' }], { a: [1] }],
  ['what stands before the first slash is not looked at', { b: 1 }, [{ op: 'remove', path: 'a/b' }], {}],
  ['null is a patch without operations', { a: 1 }, null, { a: 1 }],
  ['~1 and ~0 in a path', { 'a/b': { 'c~d': 1 } }, [{ op: 'remove', path: '/a~1b/c~0d' }], { 'a/b': {} }],
  [
    'several in their order',
    { a: [] },
    [
      { op: 'add', path: '/a/-', value: 1 },
      { op: 'add', path: '/a/0', value: 0 },
    ],
    { a: [0, 1] },
  ],
];

for (const [what, document, operations, result] of applied) {
  test(what, () => {
    const before = structuredClone(document);
    assert.deepEqual(applyJsonPatch(document, operations), result);
    assert.deepEqual(document, before, 'the document was changed');
  });
}

const refused: [what: string, document: Json, operation: Json, code: string, message: string][] = [
  [
    'add under what is not there',
    {},
    { op: 'add', path: '/a/b', value: 1 },
    'PATCH_NOT_APPLICABLE',
    'add operation does not apply: doc is missing path: "/a/b": missing value',
  ],
  [
    'remove of what is not there',
    { a: [1] },
    { op: 'remove', path: '/a/1' },
    'PATCH_NOT_APPLICABLE',
    'remove operation does not apply: doc is missing path: "/a/1": missing value',
  ],
  [
    'replace of an element that is not there',
    { a: [1] },
    { op: 'replace', path: '/a/1', value: 1 },
    'PATCH_NOT_APPLICABLE',
    'replace operation does not apply: doc is missing key: /a/1: missing value',
  ],
  [
    'a whole that is no map and no list',
    {},
    { op: 'replace', path: '', value: 1 },
    'PATCH_NOT_APPLICABLE',
    'replace operation value must be object or array',
  ],
  [
    'add of the whole',
    {},
    { op: 'add', path: '', value: {} },
    'PATCH_NOT_APPLICABLE',
    'add operation does not apply: doc is missing path: "": missing value',
  ],
  [
    'a path that is no text',
    {},
    { op: 'add', path: 3, value: {} },
    'PATCH_MALFORMED',
    'error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string',
  ],
  [
    'a test that fails',
    { a: 1 },
    { op: 'test', path: '/a', value: 2 },
    'PATCH_NOT_APPLICABLE',
    'testing value /a failed: test failed',
  ],
  ['an unknown operation', {}, { op: 'frob', path: '/a' }, 'PATCH_NOT_APPLICABLE', 'Unexpected kind: frob'],
  [
    'what an object has from its prototype',
    {},
    { op: 'remove', path: '/toString' },
    'PATCH_NOT_APPLICABLE',
    'remove operation does not apply: doc is missing path: "/toString": missing value',
  ],
];

for (const [what, document, operation, code, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => applyJsonPatch(document, [operation]), { code, message });
  });
}

test('refused: an index behind the end of a list', () => {
  assert.throws(() => applyJsonPatch({ a: [] }, [{ op: 'add', path: '/a/1', value: 1 }]), {
    code: 'PATCH_NOT_APPLICABLE',
  });
});

test('refused: what is no list of operations, or too long a one', () => {
  assert.throws(() => applyJsonPatch({}, { op: 'add' }), { code: 'PATCH_MALFORMED' });
  const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }));
  assert.throws(() => applyJsonPatch({}, many), /allowed maximum operations in a JSON patch is 10000, got 10001/);
});

test('the key __proto__ is a key like others', () => {
  const result = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]);
  assert.equal(JSON.stringify(result), '{"__proto__":{"polluted":true}}');
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
});
