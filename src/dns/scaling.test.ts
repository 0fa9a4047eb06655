import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseScaling, replicasFor } from './scaling.ts';

const linear = (fields: object) => parseScaling({ linear: JSON.stringify(fields) });
const ladder = (fields: object) => parseScaling({ ladder: JSON.stringify(fields) });
const size = (nodes: number, cores: number, cordoned = 0) => ({
  all: { nodes: nodes + cordoned, cores: cores + cordoned * 4 },
  schedulable: { nodes, cores },
});

describe('linear scaling', () => {
  // The example of cluster-proportional-autoscaler's README.
  it('takes the greater of what nodes and cores ask for', () => {
    const scaling = linear({ coresPerReplica: 2, nodesPerReplica: 1, min: 1, max: 100 });
    assert.equal(replicasFor(scaling, size(4, 13)), 7);
    assert.equal(replicasFor(scaling, size(4, 3)), 4);
    assert.equal(replicasFor(scaling, size(400, 3)), 100);
    assert.equal(replicasFor(scaling, size(0, 0)), 1);
  });

  it('goes by either alone, in fractions too', () => {
    assert.equal(replicasFor(linear({ nodesPerReplica: 16 }), size(17, 1000)), 2);
    assert.equal(replicasFor(linear({ coresPerReplica: 0.5 }), size(1, 2)), 4);
    assert.equal(replicasFor(linear({ coresPerReplica: 1, nodesPerReplica: 0 }), size(90, 1.5)), 2);
  });

  it('has a minimum of one, and no maximum where that is 0 or not there', () => {
    for (const max of [0, undefined])
      assert.equal(replicasFor(linear({ nodesPerReplica: 1, min: 0, max }), size(5000, 0)), 5000);
    assert.equal(replicasFor(linear({ nodesPerReplica: 1, min: 3 }), size(1, 1)), 3);
  });

  it('prevents a single point of failure where there are two nodes, whatever the maximum', () => {
    const scaling = linear({ nodesPerReplica: 16, max: 1, preventSinglePointFailure: true });
    assert.equal(replicasFor(scaling, size(1, 4)), 1);
    assert.equal(replicasFor(scaling, size(2, 4)), 2);
  });

  it('counts cordoned nodes where it is told to', () => {
    const fields = { nodesPerReplica: 1, coresPerReplica: 4 };
    assert.equal(replicasFor(linear(fields), size(2, 8, 3)), 2);
    assert.equal(replicasFor(linear({ ...fields, includeUnschedulableNodes: true }), size(2, 8, 3)), 5);
  });
});

describe('a ladder', () => {
  const steps = {
    coresToReplicas: [
      [512, 5],
      [1, 1],
      [64, 3],
    ],
    nodesToReplicas: [
      [1, 1],
      [2, 2],
    ],
  };

  it('takes the last step reached of the ladder that leads higher', () => {
    assert.equal(replicasFor(ladder(steps), size(100, 400)), 3);
    assert.equal(replicasFor(ladder(steps), size(100, 512)), 5);
    assert.equal(replicasFor(ladder(steps), size(2, 4)), 2);
    assert.equal(replicasFor(ladder(steps), size(0, 0)), 1);
  });

  it('may lead to none', () => {
    const scaling = ladder({
      nodesToReplicas: [
        [0, 0],
        [6, 1],
      ],
    });
    assert.equal(replicasFor(scaling, size(5, 20)), 0);
    assert.equal(replicasFor(scaling, size(6, 24)), 1);
  });
});

describe('a wrong config map', () => {
  for (const [data, message] of [
    [undefined, /one key, linear or ladder; it has: none/],
    [{ linear: '{}', ladder: '{}' }, /it has: linear, ladder/],
    [{ exponential: '{}' }, /it has: exponential/],
    [{ linear: '{' }, /linear is no JSON/],
    [{ linear: '[]' }, /linear must be an object/],
    [{ linear: '{}' }, /coresPerReplica or nodesPerReplica must be greater than 0/],
    [{ linear: '{"nodesPerReplica":-1}' }, /linear.nodesPerReplica: -1 must be/],
    [{ linear: '{"nodesPerReplica":"1"}' }, /linear.nodesPerReplica: "1" must be a number/],
    [{ linear: '{"nodesPerReplica":1,"min":1.5}' }, /linear.min: 1.5 must be a whole number/],
    [{ linear: '{"nodesPerReplica":1,"min":3,"max":2}' }, /max 2 is less than min 3/],
    [{ linear: '{"nodesPerReplica":1,"preventSinglePointFailure":"yes"}' }, /must be true or false/],
    [{ linear: '{"nodesPerReplicas":1}' }, /linear.nodesPerReplicas: unknown field/],
    [{ ladder: '{}' }, /must have a step/],
    [{ ladder: '{"nodesToReplicas":[[1]]}' }, /ladder.nodesToReplicas: \[1\] must be a pair/],
    [{ ladder: '{"nodesToReplicas":[[1,-1]]}' }, /must be a pair of whole numbers/],
    [{ ladder: '{"coresToReplicas":3}' }, /ladder.coresToReplicas must be a list/],
  ] as const) {
    it(`is refused: ${JSON.stringify(data)}`, () => {
      assert.throws(() => parseScaling(data), { code: 'SCALING_INVALID', message });
    });
  }
});
