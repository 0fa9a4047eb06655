import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutationExpression } from './admission.ts';
import { expressionErrorOf } from './admission-errors.ts';
import { toJson, withObjectLiterals } from './object-literals.ts';

const errorOf = (source: string) =>
  expressionErrorOf(source, 'applyConfiguration', { params: false, variables: false });
const json = (source: string, object: unknown = new Map()) => toJson(mutationExpression(source).run({ object }));

test('literals of objects have their fields, maps and lists', () => {
  assert.deepEqual(
    json(`Object{
      metadata: Object.metadata{ labels: {"a.b/c": "{d: }"}, annotations: { "x" : object.size() == 0 ? "y" : "z" } },
      spec: Object.spec {
        replicas: 1 + 2, // three: {
        containers: [Object.spec.containers{ name: "c", ports: [] }],
      }
    }`),
    {
      metadata: { labels: { 'a.b/c': '{d: }' }, annotations: { x: 'y' } },
      spec: { replicas: 3, containers: [{ name: 'c', ports: [] }] },
    },
  );
  assert.deepEqual(json('true ? Object{} : Object{a: 1}'), {});
  assert.deepEqual(json('Object{?a: optional.none(), ?b: optional.of("c"), `d-e`: null}'), { b: 'c', 'd-e': null });
  assert.deepEqual(json('[JSONPatch{op: "add", path: "/a/" + jsonpatch.escapeKey("b/c~"), value: [1, "x"]}]'), [
    { op: 'add', path: '/a/b~1c~0', value: [1, 'x'] },
  ]);
});

test('an object in a field that its type does not name is refused', () => {
  assert.throws(
    () => json('Object{spec: Object.status{}}'),
    /unexpected type name "Object.status", expected "Object.spec"/,
  );
  assert.throws(() => json('Object{a: [Object.b{}]}'), /expected "Object.a"/);
});

test('what is no literal of an object is left as it is', () => {
  for (const source of ['{"Object": 1}', 'x.Object{', '"Object{a: 1}"', '{a: b}', 'Objects.of({"a": 1})'])
    assert.equal(withObjectLiterals(source), source);
  assert.match(errorOf('Object{a: }') ?? '', /compilation failed/);
  assert.match(errorOf('Object{a: 1') ?? '', /compilation failed/);
  assert.equal(errorOf('Object{a: 1}'), undefined);
});
