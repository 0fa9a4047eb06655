import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonSchema } from '../structural/json-schema.ts';
import { costOf } from './cost.ts';
import { createEnvironment } from './environment.ts';
import { withOwnFunctions } from './own-functions.ts';
import { sizedType } from './sizes.ts';
import { CelTypes } from './values.ts';

/** What Kubernetes 1.36.3 estimates (apiextensions-apiserver's cel.Compile), asked of it rule by rule. */
const estimates: readonly { readonly schema: JsonSchema; readonly costs: Readonly<Record<string, number>> }[] = [
  {
    schema: { type: 'array', items: { type: 'number' } },
    costs: {
      'self.all(x, true)': 4718591,
      'self[1] == 0.0': 2,
      'self.all(x, self.all(y, true))': 7421701914624,
      'self.exists(x, x > 1.0)': 9437180,
      'self.exists_one(x, x > 1.0)': 6291455,
      'self.map(x, x > 1.0, x).size() == 1': 23592959,
      '1.0 in self': 1572864,
      'self.max() > 2.0': 1572865,
      'self == oldSelf': 157289,
      '[1,2].filter(x, x>1).all(y, y == 2)': 62,
    },
  },
  {
    schema: { type: 'array', items: { type: 'number' }, maxItems: 10 },
    costs: {
      'self.all(x, self.all(y, self.all(z, true)))': 3552,
      'self.all(i, v, v > 1.0)': 52,
      'self.transformList(i, v, v + 1.0).size() > 0': 154,
      'self.transformMap(i, v, v > 1.0, v).size() > 0': 94,
      'self.distinct().size() == self.size()': 216,
      'self.sort().size() > 0': 214,
      'self.slice(0, 2).size() > 1': 16,
      'self.reverse().size() > 1': 24,
      'sets.equivalent(self, self)': 203,
      'self + self == self': 5,
      'lists.range(5).all(x, x > 1)': 42,
    },
  },
  {
    schema: { type: 'string' },
    costs: {
      "self.contains('test')": 314574,
      "self.endsWith('test')": 2,
      "size(self + 'hello') > size('hello')": 314578,
      "self.matches('^[a-z]+$')": 629147,
      "self.replace('', 'bb') == self": 943721,
      "self.split(',', 3).all(x, x.size() > 1)": 629166,
      "self.findAll('[a-z]').size() > 1": 629149,
      "self.indexOf('a') > 1": 314575,
      "self in ['a','b']": 13,
      "self > 'a'": 2,
      "url(self).getHost() == 'a'": 314576,
      "cidr('10.0.0.0/8').containsIP(ip('1.2.3.4'))": 6,
      "cidr('10.0.0.0/8').containsCIDR(self)": 314582,
      "quantity(self) == quantity('1')": 314576,
      "self.size() > 0 ? self == 'a' : self == 'bcd'": 5,
      '!format.dns1123Label().validate(self).hasValue()': 10066340,
      'ip.isCanonical(self)': 629147,
      "strings.quote(self) == 'a'": 314575,
      "{'a': self}.all(k, k == 'a')": 37,
    },
  },
  {
    schema: { type: 'string', maxLength: 10 },
    costs: {
      "self.matches('^[a-z]+$')": 11,
      "self.replace('ab', 'cde').contains('x')": 15,
      'self == oldSelf': 6,
    },
  },
  {
    schema: { type: 'string', enum: ['abc', 'de'] },
    costs: {
      "self.contains('test')": 2,
    },
  },
  {
    schema: { type: 'string', format: 'date-time' },
    costs: {
      'self == oldSelf': 6,
    },
  },
  {
    schema: { type: 'string', format: 'byte' },
    costs: {
      'self.size() > 3': 3,
      "string(self) == 'a'": 314575,
    },
  },
  {
    schema: { type: 'object', additionalProperties: { type: 'string' } },
    costs: {
      "self.all(k, self[k] == 'a')": 2752507,
      "self.all(k, v, v == 'a')": 1966077,
      'has(self.x)': 1,
      "self.x == 'a'": 3,
      "self[?'x'].orValue('a') == 'b'": 4,
      "'a' in self": 2,
      "self.map(k, self[k]).exists(v, v == 'a')": 8257528,
      'self.transformMapEntry(k, v, {v: k}).size() > 1': 13369344,
      "self.filter(k, k != 'a').all(k, k == 'b')": 7471098,
    },
  },
  {
    schema: {
      type: 'object',
      required: ['a', 'l'],
      properties: {
        a: { type: 'string', maxLength: 5 },
        n: { type: 'integer' },
        b: { type: 'boolean' },
        ios: { 'x-kubernetes-int-or-string': true },
        o: { type: 'object', properties: { x: { type: 'string' } } },
        l: {
          type: 'array',
          maxItems: 4,
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string', maxLength: 3 }, tags: { type: 'array', items: { type: 'string' } } },
          },
        },
        ll: { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
        m: { type: 'object', maxProperties: 3, additionalProperties: { type: 'integer' } },
      },
    },
    costs: {
      'has(self.a) && has(self.o.x) && self.o.x == self.a': 10,
      'self.l.all(x, self.l.exists_one(y, y.name == x.name))': 159,
      "self.l.all(x, x.tags.all(t, t.contains('a')))": 1319430311127,
      "self.l[0].tags[1] == 'a'": 6,
      'self == oldSelf': 2,
      "type(self.ios) == int ? self.ios > 1 : self.ios == 'a'": 7,
      "string(self.ios).contains('%')": 629148,
      'self.l.map(x, x.name).exists(n, n == self.a)': 98,
      'self.l.filter(x, has(x.tags)).all(x, x.tags.size() > 1)': 98,
      "self.?o.?x.orValue('') == 'a'": 5,
      "(self.n > 1 ? [self.a] : ['b', 'cd']).all(x, x == 'q')": 24,
      'dyn(self.n) == 5': 3,
      'self.m.size() + self.l.size() < 5': 8,
    },
  },
];

for (const { schema, costs } of estimates) {
  test(`rules of ${JSON.stringify(schema)} cost what Kubernetes estimates`, () => {
    const env = createEnvironment();
    const type = new CelTypes(env).of(schema, false);
    const self = sizedType(schema, false);
    assert.ok(type && self);
    const scope = env.clone().registerVariable('self', type.name).registerVariable('oldSelf', type.name);
    const estimated = Object.keys(costs).map((rule) => {
      const program = scope.parse(withOwnFunctions(rule));
      assert.equal(program.check().valid, true, rule);
      return [rule, costOf(program.ast, self)];
    });
    assert.deepEqual(Object.fromEntries(estimated), costs);
  });
}
