import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstIndex } from './sorted.ts';

test('the first element from which on something holds is found, wherever it stands', () => {
  for (let length = 0; length < 9; length++) {
    const numbers = Array.from({ length }, (_, index) => index);
    for (let from = 0; from <= length; from++) {
      assert.equal(
        firstIndex(numbers, (number) => number >= from),
        from,
      );
    }
  }
});
