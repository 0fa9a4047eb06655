import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnvironment } from './environment.ts';
import { CompileError, compile } from './expression.ts';

const environment = createEnvironment().registerVariable('any', 'dyn');
const any = new Map<string, unknown>([
  ['list', ['a', 'b']],
  ['map', new Map([['x', 1n]])],
]);
const run = (source: string) => compile(environment, source).run({ any });

for (const source of [
  '[1, 2, 3].all(i, v, i + 1 == v)',
  "!{'a': 1, 'b': 2}.all(k, v, k == 'a')",
  "{'a': 1, 'b': 2}.exists(k, v, k == 'b' && v == 2)",
  '![1, 2].exists(i, v, i == v)',
  '[5, 6].existsOne(i, v, v == 6)',
  '![6, 6].existsOne(i, v, v == 6)',
  // What settles it hides the error of another.
  "!{'a': 1, 'b': 0}.all(k, v, 1 / v == 1 && k == 'b')",
  '[1, 2].transformList(i, v, v * 2 + i) == [2, 5]',
  '[1, 2, 3].transformList(i, v, i > 0, v) == [2, 3]',
  "{'a': 1, 'b': 2}.transformMap(k, v, v + 1) == {'a': 2, 'b': 3}",
  "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v) == {'b': 2}",
  "['x', 'y'].transformMapEntry(i, v, {v: i}) == {'x': 0, 'y': 1}",
  "{'a': 1, 'b': 2}.transformMapEntry(k, v, k == 'a', {v: k}) == {1: 'a'}",
  'any.list.all(i, v, v == "a" || i == 1)',
  'any.map.transformList(k, v, k + string(v)) == ["x1"]',
  '[[1], [2, 3]].all(i, inner, inner.all(j, v, v > i + j))',
  'optional.of(2).optMap(v, v * 2).value() == 4',
  '!optional.none().optMap(v, v * 2).hasValue()',
  'optional.of(2).optFlatMap(v, optional.of(v + 1)).value() == 3',
  '!optional.of(2).optFlatMap(v, optional.none()).hasValue()',
  "any[?'map'].optMap(m, m.x).orValue(0) == 1",
  "any[?'nope'].optMap(m, m.x).orValue(0) == 0",
]) {
  test(source, () => assert.equal(run(source), true));
}

test('what cannot be is refused', () => {
  assert.throws(() => run('[1].all(1, v, true)'), CompileError);
  assert.throws(() => run("[1].transformMapEntry(i, v, {'x': v}) == {'x': 1} && nope"), CompileError);
  assert.throws(() => run("[1, 2].transformMapEntry(i, v, {'x': v})"), /insert failed: key "x" already exists/);
  assert.throws(() => run("{'a': 0}.all(k, v, 1 / v == 1)"));
});
