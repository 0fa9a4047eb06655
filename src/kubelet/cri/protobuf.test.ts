import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bool, bytes, field, int, message, repeated, string, stringMap, uint } from './protobuf.ts';

const Inner = message({ value: field(1, int) });
const Outer = message({
  name: field(1, string),
  flag: field(2, bool),
  inner: field(3, Inner),
  many: repeated(4, Inner),
  words: repeated(5, string),
  map: stringMap(6),
  data: field(7, bytes),
  big: field(8, uint),
  numbers: repeated(9, int),
});

const hex = (encoded: Uint8Array) => Buffer.from(encoded).toString('hex');

test('the encoding is that of the protocol buffers documentation', () => {
  const Test1 = message({ a: field(1, int) });
  const Test2 = message({ b: field(2, string) });
  const Test3 = message({ c: field(3, Test1) });
  assert.equal(hex(Test1.encode({ a: 150 })), '089601');
  assert.equal(hex(Test2.encode({ b: 'testing' })), '120774657374696e67');
  assert.equal(hex(Test3.encode({ c: { a: 150 } })), '1a03089601');
});

test('what was written is read again', () => {
  const value = {
    name: 'web',
    flag: true,
    inner: { value: -1 },
    many: [{ value: 1 }, { value: 0 }],
    words: ['a', ''],
    map: { a: '1', b: '' },
    data: Buffer.from([0, 255]),
    big: 2 ** 40,
    numbers: [1, -2, 300],
  };
  assert.deepEqual(Outer.decode(Outer.encode(value)), value);
});

test('a long message outgrows the first buffer', () => {
  const words = Array.from({ length: 100 }, (_, index) => `${index}`.repeat(100));
  assert.deepEqual(Outer.decode(Outer.encode({ words })).words, words);
});

test('fields that are missing have their zero value, and a missing message is null', () => {
  const empty = Outer.decode(Buffer.alloc(0));
  assert.deepEqual([empty.name, empty.flag, empty.big, empty.words, empty.map], ['', false, 0, [], {}]);
  assert.equal(empty.inner, null);
});

test('fields that are not known are skipped', () => {
  const Newer = message({ a: field(20, string), name: field(1, string), b: field(21, int), c: field(22, Inner) });
  const encoded = Newer.encode({ a: 'x', name: 'web', b: 7, c: { value: 1 } });
  assert.equal(Outer.decode(encoded).name, 'web');
});

test('packed numbers are read', () => {
  assert.deepEqual(Outer.decode(Buffer.from('4a05010203ac02', 'hex')).numbers, [1, 2, 3, 300]);
});

test('a message that ends early is refused', () => {
  assert.throws(() => Outer.decode(Buffer.from('1a050801', 'hex')), RangeError);
  assert.throws(() => Outer.decode(Buffer.from('1080', 'hex')), RangeError);
});
