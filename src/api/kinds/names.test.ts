import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rule } from './names.ts';
import {
  dataKey,
  dnsLabel,
  dnsLabel1035,
  dnsSubdomain,
  labelValue,
  pathSegment,
  portName,
  qualifiedName,
} from './names.ts';

const long = 'a'.repeat(64);
const cases: readonly [string, Rule, readonly string[], readonly string[]][] = [
  ['labels', dnsLabel, ['a', 'web-1', '1web'], ['', 'Web', '-web', 'web-', 'a.b', 'a_b', long]],
  ['subdomains', dnsSubdomain, ['a', 'a.b-c.d'], ['', 'A', 'a..b', '.a', 'a.', 'a_b', 'a'.repeat(254)]],
  ['RFC 1035 labels', dnsLabel1035, ['web', 'w1-x'], ['1web', 'Web', 'web-', '']],
  [
    'qualified names',
    qualifiedName,
    ['app', 'A_b.c', 'example.com/app'],
    ['', '/app', 'x/', 'a/b/c', 'a b', 'X!/a', long],
  ],
  ['label values', labelValue, ['', 'Web_1.x', '9'], ['a b', '-a', 'a-', long]],
  ['path segments', pathSegment, ['system:node', 'a b'], ['.', '..', 'a/b', '100%']],
  ['data keys', dataKey, ['a.b', '.dockercfg', 'A_B-c'], ['', 'a/b', '.', '..', '..a']],
  ['port names', portName, ['http', 'a-1'], ['HTTP', '80', 'a--b', '-a', 'a'.repeat(16)]],
];

for (const [what, rule, right, wrong] of cases) {
  test(`${what} are told from what is none`, () => {
    for (const value of right) assert.equal(rule(value), undefined, value);
    for (const value of wrong) assert.equal(typeof rule(value), 'string', value);
  });
}
