import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDns } from './dns.ts';

const query = Buffer.concat([
  Buffer.from('123401000001000000000000', 'hex'),
  Buffer.from('\x03web\x04shop\x00', 'latin1'),
  Buffer.from('00010001', 'hex'),
]);

const answered = (flags: string, records: string) =>
  Buffer.concat([
    Buffer.from(`1234${flags}0001000${records === '' ? 0 : 1}00000000`, 'hex'),
    query.subarray(12),
    Buffer.from(records, 'hex'),
  ]);

test('a question', () => {
  assert.deepEqual(readDns(query), { id: 0x1234, isAnswer: false, name: 'web.shop', type: 'A', answer: '' });
});

test('an answer: addresses, or why there is none', () => {
  assert.equal(readDns(answered('8180', 'c00c000100010000001e00040a600009'))?.answer, '10.96.0.9');
  assert.equal(readDns(answered('8183', ''))?.answer, 'NXDOMAIN');
  assert.equal(readDns(answered('8180', ''))?.answer, 'no such record');
});

test('what is no message is none', () => {
  assert.equal(readDns(Buffer.from('hello')), undefined);
});
