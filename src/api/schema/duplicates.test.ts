import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duplicateFields } from './duplicates.ts';

test('a key that stands twice is found, with its path', () => {
  assert.deepEqual(duplicateFields('{"spec":{"replicas":1,"a":[{"n":1},{"n":1,"n":2}],"replicas":2}}'), [
    'spec.a[1].n',
    'spec.replicas',
  ]);
});

test('the same key in different objects is no duplicate', () => {
  assert.deepEqual(duplicateFields('{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":2}]}'), []);
});

test('braces, commas and quotes in strings do not mislead it', () => {
  assert.deepEqual(duplicateFields(String.raw`{"a":"},\"a\":{[,","b":"\\","a":1}`), ['a']);
});

test('keys are compared after their escapes are read', () => {
  assert.deepEqual(duplicateFields(String.raw`{"a":1,"\u0061":2}`), ['a']);
});

test('a key is named once however often it stands there', () => {
  assert.deepEqual(duplicateFields('{"a":1,"a":2,"a":3}'), ['a']);
});
