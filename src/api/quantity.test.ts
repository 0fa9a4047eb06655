import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  milliValue,
  parseQuantity,
  quantityValue,
  subtractQuantities,
} from './quantity.ts';

// As resource.ParseQuantity of k8s.io/apimachinery v0.36.0 writes them.
const canonical: [written: string, canonical: string, value: number, millis: number][] = [
  ['0', '0', 0, 0],
  ['0Ki', '0', 0, 0],
  ['1000m', '1', 1, 1000],
  ['0.5', '500m', 1, 500],
  ['1.5', '1500m', 2, 1500],
  ['1024Ki', '1Mi', 1048576, 1048576000],
  ['1024', '1024', 1024, 1024000],
  ['1.5Gi', '1536Mi', 1610612736, 1610612736000],
  ['0.1Ki', '102400m', 103, 102400],
  ['1000Ki', '1000Ki', 1024000, 1024000000],
  ['1000000', '1M', 1000000, 1000000000],
  ['1e3', '1e3', 1000, 1000000],
  ['100e-2', '1', 1, 1000],
  ['2500u', '2500u', 1, 3],
  ['0.0000000001', '1n', 1, 1],
  ['-1500m', '-1500m', -2, -1500],
  ['.5', '500m', 1, 500],
];

for (const [written, wanted, value, millis] of canonical) {
  test(`${written} is written ${wanted}`, () => {
    assert.equal(canonicalQuantity(written), wanted);
    assert.equal(milliValue(written), millis);
    assert.equal(quantityValue(written), value);
  });
}

for (const text of ['', 'abc', '1Kib', '1 ', '1e', '1.2.3', '--1', 'Gi']) {
  test(`${JSON.stringify(text)} is no quantity`, () => {
    assert.equal(canonicalQuantity(text), undefined);
    assert.throws(() => parseQuantity(text), { code: 'BAD_QUANTITY' });
  });
}

test('quantities of different suffixes are compared by what they mean', () => {
  assert.equal(compareQuantities(parseQuantity('1'), parseQuantity('1000m')), 0);
  assert.ok(compareQuantities(parseQuantity('1Gi'), parseQuantity('1G')) > 0);
  assert.ok(compareQuantities(parseQuantity('-1'), parseQuantity('0')) < 0);
});

test('sums are exact, and keep the format of the first', () => {
  assert.equal(formatQuantity(addQuantities(parseQuantity('100m'), parseQuantity('0.9'))), '1');
  assert.equal(formatQuantity(addQuantities(parseQuantity('1Gi'), parseQuantity('512Mi'))), '1536Mi');
  assert.equal(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('2Gi'))), '2Gi');
  assert.equal(formatQuantity(subtractQuantities(parseQuantity('1'), parseQuantity('1500m'))), '-500m');
});
