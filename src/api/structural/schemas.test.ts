import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDefaults } from './check-defaults.ts';
import { compileJsonPath } from './json-path.ts';
import type { JsonSchema } from './json-schema.ts';
import { checkKeywords } from './keywords.ts';
import { compilePattern } from './pattern.ts';
import { checkStructural } from './structural.ts';
import { validateValue } from './validate.ts';

const text = ({ field, message }: { field: string; message: string }) => `${field}: ${message}`;
const structural = (spec: JsonSchema) => checkStructural({ type: 'object', properties: { spec } }, 's').map(text);

// Messages as k8s.io/apiextensions-apiserver v0.36.0 words them.
const wrong: [what: string, schema: JsonSchema, messages: string[]][] = [
  [
    'a field without a type',
    { description: 'x' },
    ['s.properties[spec].type: Required value: must not be empty for specified object fields'],
  ],
  [
    'items without a type',
    { type: 'array', items: {} },
    ['s.properties[spec].items.type: Required value: must not be empty for specified array items'],
  ],
  ['a list without items', { type: 'array' }, ['s.properties[spec].items: Required value: must be specified']],
  [
    'types in alternatives',
    { type: 'string', anyOf: [{ type: 'string' }] },
    ['s.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural'],
  ],
  [
    'an embedded resource of no type',
    { 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    ['s.properties[spec].type: Required value: must be object if x-kubernetes-embedded-resource is true'],
  ],
];

for (const [what, schema, messages] of wrong) {
  test(`no structural schema has ${what}`, () => assert.deepEqual(structural(schema), messages));
}

test('alternatives at the root may only speak of fields that are told of', () => {
  const schema: JsonSchema = { type: 'object', oneOf: [{ properties: { a: { minimum: 1 } } }] };
  assert.deepEqual(checkStructural(schema, 's').map(text), [
    's.properties[a]: Required value: because it is defined in s.oneOf[0].properties[a]',
  ]);
});

test('numbers or strings may name their two types', () => {
  const anyOf = [{ type: 'integer' }, { type: 'string' }];
  assert.deepEqual(structural({ 'x-kubernetes-int-or-string': true, anyOf }), []);
  assert.deepEqual(structural({ 'x-kubernetes-int-or-string': true, allOf: [{ anyOf }, { pattern: 'x' }] }), []);
});

test('keys of a list must be there in every item', () => {
  const items: JsonSchema = { type: 'object', properties: { name: { type: 'string' } } };
  const schema: JsonSchema = {
    type: 'array',
    items,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  };
  assert.deepEqual(checkKeywords(schema, 's').map(text), [
    's.items.properties[name].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
  ]);
});

test('defaults must be what their schema allows', () => {
  const schema: JsonSchema = { type: 'object', properties: { a: { type: 'integer', default: 'x' } } };
  assert.deepEqual(checkDefaults(schema, 's').map(text), [
    's.properties[a].default: Invalid value: "string":  in body must be of type integer: "string"',
  ]);
});

test('of alternatives that all fail, the one that got furthest is told of', () => {
  const schema: JsonSchema = { oneOf: [{ required: ['a'] }, { required: ['b'], properties: { b: { minimum: 2 } } }] };
  assert.deepEqual(validateValue(schema, { b: 1 }, 'spec').map(text), [
    '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid',
    'spec.b: Invalid value: 1: spec.b in body should be greater than or equal to 2',
  ]);
  assert.deepEqual(validateValue(schema, { a: 1, b: 2 }, 'spec').map(text), [
    '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives',
  ]);
});

test('paths of columns find fields, items and what a filter lets through', () => {
  const object = {
    metadata: { annotations: { 'example.com/x': 'y' } },
    list: [
      { type: 'A', value: 1 },
      { type: 'B', value: 2 },
    ],
  };
  const find = (path: string) => compileJsonPath(path)(object);
  assert.deepEqual(find('.metadata.annotations.example\\.com/x'), ['y']);
  assert.deepEqual(find(".metadata.annotations['example.com/x']"), ['y']);
  assert.deepEqual(find('.list[0].type'), ['A']);
  assert.deepEqual(find('.list[-1].value'), [2]);
  assert.deepEqual(find('.list[*].value'), [1, 2]);
  assert.deepEqual(find('.list[?(@.type=="B")].value'), [2]);
  assert.deepEqual(find('.list[?(@.value>1)].type'), ['B']);
  assert.deepEqual(find('.nothing.here'), []);
});

test("patterns are read as Go's", () => {
  assert.ok(compilePattern('^(?i)abc$').test('ABC'));
  assert.ok(compilePattern('^(a(?i)b)c$').test('aBc'));
  assert.ok(!compilePattern('^(a(?i)b)c$').test('aBC'));
  assert.ok(compilePattern('^[[:alpha:]]+\\z').test('abc'));
  assert.ok(compilePattern('^[a-z\\-_]+$').test('a-b'));
});
