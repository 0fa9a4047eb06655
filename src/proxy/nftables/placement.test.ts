import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Change, Claims } from './claims.ts';
import { Allocator } from './placement.ts';

const endpoints = (...addresses: string[]) => addresses.map((address) => ({ address, port: 80, local: false }));
const texts = (...addresses: string[]) => addresses.map((address) => `${address} . 80`);

describe('placing a pool', () => {
  test('an endpoint that goes leaves its slot to the last one, and no other moves', () => {
    const allocator = new Allocator();
    const first = allocator.place(endpoints('a', 'b', 'c', 'd'), undefined, undefined);
    const second = allocator.place(endpoints('a', 'c', 'd'), undefined, first);
    assert.deepEqual(second.endpoints, texts('a', 'd', 'c'));
    assert.equal(second.pool, first.pool);
  });

  test('an endpoint that is replaced leaves its slot to the new one', () => {
    const allocator = new Allocator();
    const first = allocator.place(endpoints('a', 'b', 'c'), undefined, undefined);
    assert.deepEqual(allocator.place(endpoints('a', 'x', 'c'), undefined, first).endpoints, texts('a', 'x', 'c'));
  });

  test('with affinity an endpoint keeps its serial when its slot moves', () => {
    const allocator = new Allocator();
    const first = allocator.place(endpoints('a', 'b', 'c'), 60, undefined);
    const second = allocator.place(endpoints('b', 'c'), 60, first);
    const serialOf = (placement: typeof first, endpoint: string) =>
      placement.serials?.[placement.endpoints.indexOf(`${endpoint} . 80`)];
    for (const endpoint of ['b', 'c']) assert.equal(serialOf(second, endpoint), serialOf(first, endpoint));
  });

  test('a pool that was freed is not used again at once', () => {
    const allocator = new Allocator();
    const first = allocator.place(endpoints('a'), undefined, undefined);
    allocator.free(first);
    assert.notEqual(allocator.place(endpoints('a'), undefined, undefined).pool, first.pool);
  });

  test('chains are asked for once a count and affinity', () => {
    const allocator = new Allocator();
    allocator.place(endpoints('a', 'b'), undefined, undefined);
    allocator.place(endpoints('c', 'd'), undefined, undefined);
    allocator.place(endpoints('c', 'd'), 60, undefined);
    const { slots, shapes } = allocator.takeNewChains();
    assert.deepEqual(slots, [0, 1]);
    assert.equal(shapes.length, 2);
    assert.deepEqual(allocator.takeNewChains(), { slots: [], shapes: [] });
  });
});

describe('claims of elements', () => {
  const elements = (value: string) => new Map([['vip x', value]]);

  test('the oldest owner of an address keeps it until it lets go', () => {
    const claims = new Claims();
    const changes = new Map<string, Change>();
    claims.replace({ key: 'young', precedence: '2' }, new Map(), elements('1'), changes);
    claims.replace({ key: 'old', precedence: '1' }, new Map(), elements('2'), changes);
    assert.equal(claims.get('vip x'), '2');
    claims.replace({ key: 'old', precedence: '1' }, elements('2'), new Map(), changes);
    assert.equal(claims.get('vip x'), '1');
    assert.deepEqual(changes.get('vip x'), { before: undefined, after: '1' }, 'one change in one transaction');
  });

  test('what two want stays until both let go', () => {
    const claims = new Claims();
    claims.replace({ key: 'a', precedence: '1' }, new Map(), elements(''), new Map());
    claims.replace({ key: 'b', precedence: '2' }, new Map(), elements(''), new Map());
    const changes = new Map<string, Change>();
    claims.replace({ key: 'a', precedence: '1' }, elements(''), new Map(), changes);
    assert.equal(changes.size, 0);
    claims.replace({ key: 'b', precedence: '2' }, elements(''), new Map(), changes);
    assert.deepEqual(changes.get('vip x'), { before: '', after: undefined });
  });
});
