import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDefaults } from '../structural/check-defaults.ts';
import type { JsonSchema, ValidationRule } from '../structural/json-schema.ts';
import { SchemaRules } from './rules.ts';

const text: JsonSchema = { type: 'string' };
const number: JsonSchema = { type: 'integer' };
const short: JsonSchema = { type: 'string', maxLength: 20 };

/** A schema of everything that rules speak of, with these rules at its `spec`. */
function schemaWith(...rules: ValidationRule[]): JsonSchema {
  return {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        'x-kubernetes-validations': rules,
        properties: {
          min: number,
          max: number,
          ratio: { type: 'number' },
          name: text,
          port: { 'x-kubernetes-int-or-string': true },
          when: { type: 'string', format: 'date-time' },
          every: { type: 'string', format: 'duration' },
          labels: { type: 'object', additionalProperties: text },
          tags: { type: 'array', maxItems: 10, items: short },
          items: { type: 'array', maxItems: 10, items: { type: 'object', properties: { name: short, size: number } } },
          inner: { type: 'object', nullable: true, properties: { a: number } },
          'a-b': text,
          namespace: text,
        },
      },
    },
  };
}

function failures(rule: string, spec: object, old?: object, more: Partial<ValidationRule> = {}): string[] {
  const schema = schemaWith({ rule, ...more });
  const rules = new SchemaRules(schema);
  assert.deepEqual(rules.check(schema, 'schema'), [], rule);
  return rules.validate(schema, { spec }, '', old && { spec: old }).map(({ field, message }) => `${field}: ${message}`);
}

const spec = {
  min: 1,
  max: 3,
  ratio: 0.5,
  name: 'web-1',
  port: 80,
  when: '2026-01-02T03:04:05Z',
  every: '1h30m',
  labels: { app: 'web', 'example.com/x': 'y' },
  tags: ['a', 'b'],
  items: [
    { name: 'x', size: 1 },
    { name: 'y', size: 2 },
  ],
  inner: { a: 1 },
  'a-b': 'dash',
  namespace: 'reserved',
};

for (const rule of [
  'self.min <= self.max',
  'self.min + 1 == 2',
  'self.ratio < 1.0',
  'has(self.name) && !has(self.inner.a) || self.inner.a == 1',
  "self.name.matches('^(?i)WEB-[[:digit:]]+$') && self.name.matches('(w(?i)EB)-1')",
  "self.name.matches('^[a-z-0-9]+$') && self.name.find('[0-9]+') == '1'",
  'type(self.port) == int ? self.port < 100 : self.port.startsWith("p")',
  'self.when > timestamp("2020-01-01T00:00:00Z") && self.when.getFullYear() == 2026',
  'self.every == duration("90m")',
  "self.labels['app'] == 'web' && 'example.com/x' in self.labels && self.labels.all(k, self.labels[k] != '')",
  'self.tags.isSorted() && self.tags.indexOf("b") == 1 && self.tags.join("-") == "a-b"',
  'self.items.map(i, i.size).sum() == 3 && self.items.exists_one(i, i.name == "x")',
  'self.items.all(i, self.items.exists_one(j, j.name == i.name))',
  'self.items[0] == self.items[0] && self.items[0] != self.items[1]',
  "self.a__dash__b == 'dash' && self.__namespace__ == 'reserved'",
  'self.?inner.?a.orValue(5) == 1',
  'has(self.items[0].name) && "has(x)" == "has(x)"',
  "quantity('1Gi').isGreaterThan(quantity('1M')) && isQuantity('500m')",
  "cidr('10.0.0.0/8').containsIP('10.1.2.3') && ip('::1').isLoopback() && !isIP('300.1.1.1')",
  "url('https://example.com:80/a?x=1').getHost() == 'example.com:80' && isURL('/path')",
  "format.dns1123Label().validate('ok').hasValue() == false && format.dns1123Label().validate('No').hasValue()",
  "sets.contains(self.tags, ['a']) && sets.intersects([1, 2], [2])",
  "semver('1.2.3').isLessThan(semver('1.10.0'))",
  "'%s has %d'.format([self.name, self.min]) == 'web-1 has 1'",
]) {
  test(`holds: ${rule}`, () => assert.deepEqual(failures(rule, spec), []));
}

test('a rule that fails is told by its text, its message or what its expression says', () => {
  assert.deepEqual(failures('self.min > self.max', spec), ['spec: Invalid value: failed rule: self.min > self.max']);
  assert.deepEqual(failures('self.min > self.max', spec, undefined, { message: 'too small' }), [
    'spec: Invalid value: too small',
  ]);
  const messageExpression = '"min is %d".format([self.min])';
  assert.deepEqual(failures('self.min > self.max', spec, undefined, { messageExpression }), [
    'spec: Invalid value: min is 1',
  ]);
  const where = { fieldPath: '.min', reason: 'FieldValueForbidden', message: 'no' };
  assert.deepEqual(failures('self.min > self.max', spec, undefined, where), ['spec.min: Forbidden: no']);
});

test('a rule that cannot be evaluated fails', () => {
  assert.deepEqual(failures('self.name == "x"', { min: 1 }), [
    'spec: Invalid value: "object": no such key: name evaluating rule: self.name == "x"',
  ]);
  const told = (rule: string, value: object) => failures(rule, value)[0]?.replace(/^.*"object": /, '');
  assert.equal(
    told('self.tags[5] == ""', { tags: ['a'] }),
    'index out of bounds: 5 evaluating rule: self.tags[5] == ""',
  );
  assert.equal(told('1 % self.min == 0', { min: 0 }), 'modulus by zero evaluating rule: 1 % self.min == 0');
  assert.equal(
    told('int(self.name) == 1', { name: 'a' }),
    "type conversion error from 'string' to 'int' evaluating rule: int(self.name) == 1",
  );
  assert.equal(
    told('self.port > 3', { port: 'a' }),
    "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.port > 3",
  );
});

test('a rule of a change is asked of changes only', () => {
  const rule = 'self.min == oldSelf.min';
  assert.deepEqual(failures(rule, spec), []);
  assert.deepEqual(failures(rule, spec, spec), []);
  assert.deepEqual(failures(rule, { ...spec, min: 2 }, spec), [`spec: Invalid value: failed rule: ${rule}`]);
});

test('with an optional old value, a rule is asked of new objects too', () => {
  const more = { optionalOldSelf: true };
  const rule = 'oldSelf.hasValue() || self.min == 1';
  assert.deepEqual(failures(rule, { min: 1 }, undefined, more), []);
  assert.equal(failures(rule, { min: 2 }, undefined, more).length, 1);
  assert.deepEqual(failures(rule, { min: 3 }, { min: 2 }, more), []);
});

test('what an update leaves as it was is not held against it', () => {
  assert.deepEqual(failures('self.min > self.max', spec, spec), []);
  assert.equal(failures('self.min > self.max', { ...spec, name: 'b' }, spec).length, 1);
});

test('fields may have names that are words of CEL', () => {
  const properties: Record<string, JsonSchema> = { namespace: { type: 'string' }, package: { type: 'string' } };
  const rule = { rule: 'has(self.namespace) && self.package == "p" && self.__package__ == self.package' };
  const schema: JsonSchema = { type: 'object', properties, 'x-kubernetes-validations': [rule] };
  const rules = new SchemaRules(schema);
  assert.deepEqual(rules.check(schema, 'schema'), []);
  assert.deepEqual(rules.validate(schema, { namespace: 'n', package: 'p' }), []);
});

test('a part of a text is no longer than the text, and what may be there can be held against null', () => {
  const rules = ["!format.dns1123Label().validate(self.split('/')[0]).hasValue()", 'optional.of(self) != null'];
  for (const rule of rules) {
    const items: JsonSchema = { type: 'string', maxLength: 253, 'x-kubernetes-validations': [{ rule }] };
    const schema: JsonSchema = { type: 'array', maxItems: 16, items };
    assert.deepEqual(new SchemaRules(schema).check(schema, 'schema'), []);
    assert.deepEqual(new SchemaRules(schema).validate(schema, ['a/b']), []);
  }
});

test('durations may be in words', () => {
  const properties: Record<string, JsonSchema> = { every: { type: 'string', format: 'duration' } };
  const rule = { rule: 'self.every == duration("72h")' };
  const schema: JsonSchema = { type: 'object', properties, 'x-kubernetes-validations': [rule] };
  const rules = new SchemaRules(schema);
  for (const every of ['3 days', '72h', '48h and 1 day']) assert.deepEqual(rules.validate(schema, { every }), []);
});

test('a field that is null is none', () => {
  const properties: Record<string, JsonSchema> = { a: { type: 'integer', nullable: true } };
  const rule = { rule: '!has(self.a) || self.a > 1' };
  const schema: JsonSchema = { type: 'object', properties, 'x-kubernetes-validations': [rule] };
  const rules = new SchemaRules(schema);
  assert.deepEqual(rules.validate(schema, { a: null }), []);
  assert.equal(rules.validate(schema, { a: 1 }).length, 1);
});

test('null has no rules', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: { a: { type: 'string', nullable: true, 'x-kubernetes-validations': [{ rule: 'self == "x"' }] } },
  };
  const rules = new SchemaRules(schema);
  assert.deepEqual(rules.validate(schema, { a: null }), []);
  assert.equal(rules.validate(schema, { a: 'y' })[0]?.message, 'Invalid value: "y": failed rule: self == "x"');
});

test('the root sees the name of its object', () => {
  const schema: JsonSchema = { type: 'object', 'x-kubernetes-validations': [{ rule: "self.metadata.name == 'one'" }] };
  const rules = new SchemaRules(schema);
  assert.deepEqual(rules.validate(schema, { metadata: { name: 'one' } }), []);
  assert.equal(rules.validate(schema, { metadata: { name: 'two' } }).length, 1);
});

for (const [what, rule, wanted] of [
  ['a field that is not there', 'self.nope', /compilation failed: ERROR: <input>:1:\d+: undefined field 'nope'/],
  ['types that do not fit', 'self.min == "a"', /found no matching overload for '_==_' applied to '\(int, string\)'/],
  ['something that is no condition', 'self.min + 1', /cel expression must evaluate to a bool/],
  ['no CEL', 'self..x', /compilation failed: ERROR: <input>:1:\d+: Syntax error: /],
] as const) {
  test(`a rule is refused for ${what}`, () => {
    const schema = schemaWith({ rule });
    const [error] = new SchemaRules(schema).check(schema, 'schema');
    assert.equal(error?.field, 'schema.properties[spec].x-kubernetes-validations[0].rule');
    assert.match(error.message, wanted);
  });
}

test('a rule of a change is refused where items cannot be told again', () => {
  const schema = listWith('self == oldSelf', short, 9);
  const [error] = new SchemaRules(schema).check(schema, 'schema');
  assert.match(error?.message ?? '', /oldSelf cannot be used on the uncorrelatable portion of the schema/);
});

test('a default must keep the rules of its own schema', () => {
  const rule = { rule: 'self.min <= self.max', message: 'the wrong way round' };
  const properties = { min: { type: 'integer' }, max: { type: 'integer' } };
  const range: JsonSchema = { type: 'object', properties, 'x-kubernetes-validations': [rule] };
  const told = (value: object) => {
    const schema: JsonSchema = { type: 'object', properties: { range: { ...range, default: value } } };
    return checkDefaults(schema, 'schema', new SchemaRules(schema));
  };
  assert.deepEqual(told({ min: 1, max: 2 }), []);
  const [error] = told({ min: 2, max: 1 });
  assert.equal(error?.field, 'schema.properties[range].default');
  assert.match(error.message, /the wrong way round/);
});

const list: JsonSchema = { type: 'array', items: { type: 'integer' } };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test('a rule that would take too long is stopped, also where another part of it holds', () => {
  const nested = 'self.all(a, self.all(b, self.all(c, a + b + c >= 0)))';
  for (const rule of [nested, `${nested} || true`]) {
    const schema: JsonSchema = { ...list, 'x-kubernetes-validations': [{ rule }] };
    const rules = new SchemaRules(schema);
    assert.deepEqual(rules.validate(schema, numbers(20)), []);
    assert.match(
      rules.validate(schema, numbers(1000))[0]?.message ?? '',
      /'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost/,
    );
    assert.deepEqual(rules.validate(schema, numbers(20)), []);
  }
});

test('the rules of one object share a budget', () => {
  const items: JsonSchema = { ...list, 'x-kubernetes-validations': [{ rule: 'self.all(a, self.all(b, a + b >= 0))' }] };
  const schema: JsonSchema = { type: 'array', items };
  const rules = new SchemaRules(schema);
  const some = (count: number) => rules.validate(schema, Array(count).fill(numbers(300)));
  assert.deepEqual(some(5), []);
  const errors = some(100);
  assert.equal(errors.length, 1);
  assert.match(errors[0]?.message ?? '', /running out of cost budget, no further validation rules will be run/);
});

/** A list of such items, of which there may be `maxItems`, and a rule of each. */
function listWith(rule: string, items: JsonSchema, maxItems?: number): JsonSchema {
  const each = { ...items, 'x-kubernetes-validations': [{ rule }] };
  return { type: 'object', properties: { list: { type: 'array', maxItems, items: each } } };
}

const advice =
  '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';
const tooDear = (schema: JsonSchema) =>
  new SchemaRules(schema).check(schema, 'schema').map(({ field, message }) => `${field}: ${message}`);

test('a rule that may cost too much is refused, in the words of Kubernetes', () => {
  const rule = "self.contains('x')";
  const at = 'schema.properties[list].items.x-kubernetes-validations[0].rule';
  const budget = `Forbidden: estimated rule cost exceeds budget by factor of`;
  const total = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
  assert.deepEqual(tooDear(listWith(rule, text)), [
    `${at}: ${budget} more than 100x ${advice}`,
    `${at}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
    `schema: Forbidden: ${total} exceeds budget by factor of more than 100x ${advice}`,
  ]);
  assert.deepEqual(tooDear(listWith(rule, text, 100)), [`${at}: ${budget} 3.1x ${advice}`]);
  assert.deepEqual(tooDear(listWith(rule, text, 32)), [`${at}: ${budget} 1.006637x ${advice}`]);
  assert.deepEqual(tooDear(listWith(rule, text, 31)), []);
  assert.deepEqual(tooDear(listWith(rule, { ...text, maxLength: 20 }, 1000)), []);
});

test('many rules may cost too much together, and the dearest of them are told of', () => {
  const rules = Array.from({ length: 12 }, (_, index) => ({ rule: `self.tags.all(x, x != '${'y'.repeat(index)}')` }));
  const schema: JsonSchema = {
    type: 'object',
    properties: { tags: { type: 'array', items: { type: 'string', maxLength: 2 } } },
    'x-kubernetes-validations': [...rules, ...rules, { rule: 'self.tags.size() < 3' }],
  };
  const told = tooDear(schema);
  assert.deepEqual(
    told.map((text) => /^(\S+): Forbidden: (contributed|x-k)/.exec(text)?.slice(1)),
    [
      ...[1, 2, 3, 4].map((index) => [`schema.x-kubernetes-validations[${index}].rule`, 'contributed']),
      ['schema', 'x-k'],
    ],
  );
});

test('a message that may cost too much is refused', () => {
  const dear = "self.list.map(x, x + x).join(',')";
  const schema: JsonSchema = {
    type: 'object',
    properties: { list: { type: 'array', items: text } },
    'x-kubernetes-validations': [{ rule: 'true', messageExpression: dear }],
  };
  assert.match(
    tooDear(schema)[0] ?? '',
    /^schema\.x-kubernetes-validations\[0\]\.messageExpression: Forbidden: estimated messageExpression cost exceeds/,
  );
});

test('numbers are listed and texts are quoted', () => {
  assert.deepEqual(failures('lists.range(3) == [0, 1, 2] && lists.range(0) == []', spec), []);
  assert.deepEqual(failures(`strings.quote('a"b\\n') == '"a\\\\"b\\\\n"'`, spec), []);
  assert.deepEqual(failures('[[[1]], [[2]]].flatten(2) == [1, 2]', spec), []);
  assert.deepEqual(failures("[3, 1, 2].sortBy(n, -n) == [3, 2, 1] && ['b', 'a'].sortBy(t, t)[0] == 'a'", spec), []);
  assert.deepEqual(failures("matches('ab', '^a') && b'a' < b'b' && [b'b', b'a'].sortBy(b, b)[0] == b'a'", spec), []);
  assert.deepEqual(
    failures("string(duration('90m')) == '5400s' && string(self.when) == '2026-01-02T03:04:05Z'", spec),
    [],
  );
  assert.deepEqual(failures("sign(quantity('-1')) == -1 && !optional.ofNonZeroValue('').hasValue()", spec), []);
  assert.match(failures('lists.range(2000000).size() > 0', spec)[0] ?? '', /actual cost limit exceeded/);
});

/** Each holds in Kubernetes 1.36.3, which was asked. */
const formatted = [
  `'%s %d %f %e %b %o %x %X'.format(['a', 1, 12345.5, 1234.5, 5, 8, 255, 'é']) == 'a 1 12,345.500000 1.234500×10⁰³ 101 10 ff C3A9'`,
  `'%.1e %.2f'.format([-0.00012345, 2.345]) == '-1.2×10⁻⁰⁴ 2.35'`,
  `'%s'.format([['a', 'b']]) == '["a", "b"]' && '%s'.format([[1.5, 2.0]]) == '[1.500000, 2.000000]'`,
  `'%s'.format([{'b': 1, 'a': 'x'}]) == '{"a":"x", "b":1}' && '%s'.format([{2: 'y', 1: 'x'}]) == '{1:"x", 2:"y"}'`,
  `'%s %s'.format([duration('90m'), self.when]) == '5400s 2026-01-02T03:04:05Z'`,
  `'%s'.format([[duration('90m'), duration('1.5s')]]) == '[duration("5400s"), duration("1.5s")]'`,
  `'%s %s %s'.format([1234567.0, 0.00001, 1.5]) == '1.234567e+06 1e-05 1.5'`,
  `'%s %s %s'.format([b'abc', type(1), null]) == 'abc int null' && '%s'.format([[b'ab']]) == '[b"ab"]'`,
  `'abc'.replace('', '-') == '-a-b-c-' && 'aaa'.replace('a', '$&', 2) == '$&$&a'`,
  `'aß'.upperAscii() == 'Aß' && 'AÉ'.lowerAscii() == 'aÉ'`,
  `[duration('1s'), duration('2s')].sum() == duration('3s')`,
];
for (const rule of formatted) test(`holds: ${rule}`, () => assert.deepEqual(failures(rule, spec), []));

test('a slice beyond the end of a list fails', () => {
  assert.match(failures('[1, 2].slice(0, 9) == []', spec)[0] ?? '', /cannot slice\(0, 9\), list is length 2/);
});
