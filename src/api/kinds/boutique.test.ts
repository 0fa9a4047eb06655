import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { apiVersion } from '../resource.ts';
import { check, loadSchema } from '../schema/index.ts';
import type { KubeObject } from '../types.ts';
import { builtinKinds } from './index.ts';

const file = new URL('../../../test/manifests/online-boutique.yaml', import.meta.url);
const objects = parseAllDocuments(readFileSync(file, 'utf8'))
  .map((document) => document.toJS() as KubeObject | null)
  .filter((object) => object !== null);

function kindOf(object: KubeObject) {
  const kind = builtinKinds.find((one) => one.kind === object.kind && apiVersion(one) === object.apiVersion);
  assert.ok(kind, `${object.apiVersion} ${object.kind} is a built-in kind`);
  return kind;
}

test('the Online Boutique is accepted whole', () => {
  assert.equal(objects.length, 35);
  for (const object of objects) {
    const kind = kindOf(object);
    object.metadata = { ...object.metadata, ...(kind.namespaced ? { namespace: 'default' } : {}) };
    kind.setDefaults?.(object);
    assert.deepEqual(kind.validate?.(object, undefined), [], `${object.kind} ${object.metadata.name}`);
  }
});

test('defaults and an update without a change leave an object as it is', () => {
  for (const object of objects) {
    const kind = kindOf(object);
    kind.setDefaults?.(object);
    const again = structuredClone(object);
    kind.setDefaults?.(again);
    kind.prepareForUpdate?.(again, object);
    assert.equal(JSON.stringify(again), JSON.stringify(object), `${object.kind} ${object.metadata?.name}`);
    assert.deepEqual(kind.validate?.(again, object), []);
  }
});

test('every column of every kind has a cell for an object that says nothing', () => {
  for (const kind of builtinKinds) {
    for (const column of kind.columns) {
      const cell = column.cell({ metadata: { name: 'x' } }, 0);
      assert.notEqual(cell, undefined, `${kind.plural} ${column.name}`);
    }
  }
});

test('a kind says what is wrong with an object that says nothing, and does not fail', () => {
  for (const kind of builtinKinds) {
    const object: KubeObject = { metadata: { name: 'x' } };
    kind.setDefaults?.(object);
    assert.ok(Array.isArray(kind.validate?.(object, undefined)), kind.plural);
    for (const read of Object.values(kind.fieldLabels)) assert.equal(typeof read(object), 'string');
  }
});

test('every kind has a schema, and what defaults add fits it', () => {
  const schema = loadSchema();
  for (const kind of builtinKinds) assert.ok(schema.definition(kind.definition), kind.definition);
  for (const object of objects) {
    const kind = kindOf(object);
    kind.setDefaults?.(object);
    const found = check(schema, kind.definition, structuredClone(object), { onUnknown: 'report' });
    assert.deepEqual(found, { unknown: [], errors: [] }, `${object.kind} ${object.metadata?.name}`);
  }
});
