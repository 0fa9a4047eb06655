import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasFormat } from './formats.ts';

/** Texts that have a format, and texts that have not, as Go reads them. */
const cases: readonly [format: string, has: readonly string[], hasNot: readonly string[]][] = [
  [
    'date-time',
    ['2020-01-01T00:00:00Z', '2020-01-01t00:00:00,5z'],
    ['', '2020-01-01 00:00:00Z', '2020-01-01T24:00:00Z'],
  ],
  ['date', ['2020-02-29'], ['2020-02-30', '2020-1-1']],
  ['duration', ['1h30m', '-1.5h', '3 weeks', 'in 2 days'], ['5', 'P1', '1 fortnight']],
  ['byte', ['YQ==', 'YWJj'], ['', 'YQ', 'Y-_j']],
  ['ipv4', ['1.2.3.4', '001.2.3.4', '::ffff:1.2.3.4'], ['1.2.3', '::1']],
  ['ipv6', ['FD00::1', '::ffff:1.2.3.4'], ['1.2.3.4', 'fe80::1%eth0']],
  ['cidr', ['10.0.0.1/8', '010.0.0.0/08', 'fd00::/64'], ['10.0.0.0/33', '10.0.0.0/+8']],
  ['uri', ['http://a', '/a', 'mailto:x', '*'], ['', 'a/b', 'http://a b', '/a%zz']],
  ['email', ['a@b', 'A <a@b.c>'], ['a@', 'a@b.', 'a b@c']],
  ['hostname', ['a', 'a-b.com', 'exämple.com'], ['', '-a', 'a_b', 'a.b']],
  ['mac', ['00:1a:2b:3c:4d:5e', '001a.2b3c.4d5e', '001a2b3c4d5e'], ['00:1a-2b:3c:4d:5e', '00:1a:2b']],
  ['creditcard', ['4111-1111-1111-1111'], ['4111111111111112', '20200101000000']],
  ['ssn', ['123-45-6789', '123 45 6789'], ['123456789']],
  ['rgbcolor', ['rgb( 1 , 2 , 255 )'], ['rgb(01,2,3)', 'rgb(256,0,0)']],
];

for (const [format, has, hasNot] of cases) {
  test(`texts with the format ${format} are those of Kubernetes`, () => {
    for (const text of has) assert.ok(hasFormat(format, text), text);
    for (const text of hasNot) assert.ok(!hasFormat(format, text), text);
  });
}
