import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startCluster, type TestCluster } from './support/cluster.ts';

interface Part {
  readonly journey: number;
  readonly title: string;
  readonly ok: boolean;
  readonly changes?: readonly { readonly steps: readonly { readonly what: string; readonly ms: number }[] }[];
  readonly hops?: readonly { readonly kind: string; readonly name?: string }[];
  readonly see?: readonly string[];
}

describe('knit tour', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await startCluster('t-tour');
  });
  after(() => cluster?.down());

  test('shows intent and all ten journeys as planned, and leaves nothing', async () => {
    const parts: Part[] = JSON.parse(await cluster.knit(['tour', '-o', 'json']));
    assert.deepEqual(
      parts.map(({ journey, ok }) => [journey, ok]),
      Array.from({ length: 11 }, (_, journey) => [journey, true]),
    );
    for (const { steps } of parts[0]?.changes ?? []) {
      const times = steps.map(({ ms }) => ms);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    }
    const kinds = (journey: number) => parts[journey]?.hops?.map(({ kind }) => kind).join(' ');
    assert.equal(kinds(1), 'pod');
    assert.equal(kinds(2), 'pod node pod');
    assert.equal(kinds(3), 'pod node fabric node pod');
    assert.equal(kinds(4), 'pod node node pod');
    assert.equal(kinds(9), 'client fabric node pod');
    const left = await cluster.kubectl(['get', 'namespaces', '-o', 'name']);
    assert.doesNotMatch(left, /knit-tour/);
  });

  test('says what there is to see, and shows one journey as people read it', async () => {
    assert.match(
      await cluster.knit(['tour', '--list']),
      /^ 0 {2}intent and reality.*\n.*\n.*\n.*\n.*\n 5 {2}pod to the virtual/,
    );
    const drawn = await cluster.knit(['tour', '5']);
    assert.match(drawn, /✓ 5 {2}pod to the virtual address of a Service\n/);
    assert.match(drawn, /DNAT \S+ → \S+:8080/);
    assert.match(drawn, /Service knit-tour\/web:http: endpoint [12] of 2/);
    assert.match(drawn, /No interface has the virtual address/);
  });
});
