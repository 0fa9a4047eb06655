import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Changes } from './changes.ts';
import { Claims } from './claims.ts';
import type { Elements } from './elements.ts';
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
    allocator.free(first.pool);
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
  const elements = (value: string): Elements => new Map([['vip', new Map([['x', value]])]]);
  const none: Elements = new Map();
  const young = { key: 'a', createdAt: '2' };
  const old = { key: 'b', createdAt: '1' };

  test('the oldest owner of an address keeps it until it lets go', () => {
    const claims = new Claims();
    const changes = new Changes();
    claims.replace(young, none, elements('1'), changes);
    claims.replace(old, none, elements('2'), changes);
    assert.equal(claims.get('vip', 'x'), '2');
    claims.replace(old, elements('2'), none, changes);
    assert.equal(claims.get('vip', 'x'), '1');
    assert.deepEqual(changes.come, elements('1'), 'one change in one transaction');
    assert.deepEqual(changes.gone, none);
  });

  test('what two want stays until both let go', () => {
    const claims = new Claims();
    claims.replace(old, none, elements(''), new Changes());
    claims.replace(young, none, elements(''), new Changes());
    const first = new Changes();
    claims.replace(old, elements(''), none, first);
    assert.equal(first.size, 0);
    const second = new Changes();
    claims.replace(young, elements(''), none, second);
    assert.deepEqual(second.gone, elements(''));
  });
});

describe('changes of one transaction', () => {
  const texts = ({ gone, come }: Changes) => [gone, come].map((each) => Object.fromEntries(each.get('vip') ?? []));

  test('an element that changes twice goes as it was and comes as it shall be', () => {
    const changes = new Changes();
    changes.note('vip', 'x', '1', '2');
    changes.note('vip', 'x', '2', '3');
    assert.deepEqual(texts(changes), [{ x: '1' }, { x: '3' }]);
  });

  test('what comes and goes again is not told to the kernel', () => {
    const changes = new Changes();
    changes.note('vip', 'x', undefined, '1');
    changes.note('vip', 'x', '1', undefined);
    changes.note('vip', 'y', '1', undefined);
    changes.note('vip', 'y', undefined, '1');
    assert.deepEqual(texts(changes), [{}, {}]);
  });
});
