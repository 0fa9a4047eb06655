import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadSchema } from '../schema/index.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const schema = loadSchema();
const core = 'io.k8s.api.core.v1';
const patchPod = (pod: unknown, patch: unknown) => applyStrategicMergePatch(pod, patch, schema, `${core}.Pod`);

/** Applies a patch to `spec` of a pod. */
const patchSpec = (spec: unknown, patch: unknown) => (patchPod({ spec }, { spec: patch }) as { spec: unknown }).spec;

describe('lists with a merge key', () => {
  const containers = [
    { name: 'a', image: '1', env: [{ name: 'X', value: '1' }], args: ['a'] },
    { name: 'b', image: '2' },
    { name: 'c', image: '3' },
  ];

  test('an element with the same key is merged', () => {
    assert.deepEqual(patchSpec({ containers }, { containers: [{ name: 'b', image: '9' }] }), {
      containers: [containers[0], { name: 'b', image: '9' }, containers[2]],
    });
  });

  test('an element with a new key comes first, where no order is asked for', () => {
    assert.deepEqual(patchSpec({ containers }, { containers: [{ name: 'z', image: '9' }] }), {
      containers: [{ name: 'z', image: '9' }, ...containers],
    });
  });

  test('lists in an element are merged in their own way: env by name, args as a whole', () => {
    const patch = { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }], args: ['b'] }] };
    assert.deepEqual(patchSpec({ containers: [containers[0]!] }, patch), {
      containers: [
        {
          name: 'a',
          image: '1',
          env: [
            { name: 'Y', value: '2' },
            { name: 'X', value: '1' },
          ],
          args: ['b'],
        },
      ],
    });
  });

  test('$patch: delete removes an element', () => {
    assert.deepEqual(patchSpec({ containers }, { containers: [{ name: 'a', $patch: 'delete' }] }), {
      containers: containers.slice(1),
    });
  });

  test('$patch: replace in a list makes it what the patch has', () => {
    assert.deepEqual(patchSpec({ containers }, { containers: [{ $patch: 'replace' }, { name: 'q' }] }), {
      containers: [{ name: 'q' }],
    });
  });

  test('$setElementOrder sorts what is there', () => {
    const patch = { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }] };
    assert.deepEqual(patchSpec({ containers }, patch), { containers: [containers[2], containers[0], containers[1]] });
  });

  test('$setElementOrder leaves what it does not name where it was', () => {
    const patch = {
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'n' }, { name: 'a' }],
      containers: [{ name: 'n', image: 'n' }],
    };
    const result = patchSpec({ containers }, patch) as { containers: { name: string }[] };
    assert.deepEqual(
      result.containers.map(({ name }) => name),
      ['b', 'c', 'n', 'a'],
    );
  });

  test('ports are told apart by their number only, so that of two with one number the first is changed', () => {
    const ports = [
      { containerPort: 80, protocol: 'TCP' },
      { containerPort: 80, protocol: 'UDP' },
    ];
    const patch = { containers: [{ name: 'a', ports: [{ containerPort: 80, hostPort: 5 }] }] };
    assert.deepEqual(patchSpec({ containers: [{ name: 'a', ports }] }, patch), {
      containers: [{ name: 'a', ports: [{ ...ports[0], hostPort: 5 }, ports[1]] }],
    });
  });

  test('a new element carries no directive, null or deleted element into the object', () => {
    const patch = {
      initContainers: [{ name: 'i', image: null, env: [{ name: 'a', $patch: 'delete' }, { name: 'b' }] }],
      volumes: [{ name: 'n', $retainKeys: ['name', 'emptyDir'], emptyDir: {} }],
    };
    assert.deepEqual(patchSpec({ volumes: [] }, patch), {
      initContainers: [{ name: 'i', env: [{ name: 'b' }] }],
      volumes: [{ name: 'n', emptyDir: {} }],
    });
  });

  test('owner references are merged by uid', () => {
    const pod = { metadata: { ownerReferences: [{ uid: '1' }, { uid: '2' }] } };
    assert.deepEqual(patchPod(pod, { metadata: { ownerReferences: [{ uid: '1', $patch: 'delete' }] } }), {
      metadata: { ownerReferences: [{ uid: '2' }] },
    });
  });

  test('conditions of a node are merged by type', () => {
    const node = { status: { conditions: [{ type: 'Ready', status: 'False', reason: 'x' }, { type: 'Disk' }] } };
    const patch = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
    assert.deepEqual(applyStrategicMergePatch(node, patch, schema, `${core}.Node`), {
      status: { conditions: [{ type: 'Ready', status: 'True', reason: 'x' }, { type: 'Disk' }] },
    });
  });
});

describe('lists of plain values', () => {
  const pod = { metadata: { finalizers: ['a', 'b'] } };

  test('finalizers are merged as a set, new ones first', () => {
    assert.deepEqual(patchPod(pod, { metadata: { finalizers: ['c', 'b'] } }), {
      metadata: { finalizers: ['c', 'a', 'b'] },
    });
  });

  test('$deleteFromPrimitiveList removes values', () => {
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] } };
    assert.deepEqual(patchPod(pod, patch), { metadata: { finalizers: ['c', 'b'] } });
  });

  test('tolerations have no merge key and are replaced', () => {
    assert.deepEqual(patchSpec({ tolerations: [{ key: 'a' }] }, { tolerations: [{ key: 'b' }] }), {
      tolerations: [{ key: 'b' }],
    });
  });
});

describe('objects', () => {
  test('null removes a field, and one that is not there is no matter', () => {
    assert.deepEqual(patchPod({ metadata: { labels: { a: '1' } } }, { metadata: { labels: { a: null, b: null } } }), {
      metadata: { labels: {} },
    });
  });

  test('$patch: replace and delete', () => {
    const pod = { metadata: { labels: { a: '1' }, annotations: { b: '2' } } };
    const patch = { metadata: { labels: { $patch: 'replace', c: '3' }, annotations: { $patch: 'delete' } } };
    assert.deepEqual(patchPod(pod, patch), { metadata: { labels: { c: '3' }, annotations: {} } });
  });

  test('$retainKeys drops the other members of a union', () => {
    const patch = { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'q' } }] };
    assert.deepEqual(patchSpec({ volumes: [{ name: 'v', emptyDir: {} }] }, patch), {
      volumes: [{ name: 'v', configMap: { name: 'q' } }],
    });
  });

  test('the selector of a disruption budget is replaced as a whole', () => {
    const budget = { spec: { selector: { matchLabels: { a: '1' } } } };
    const patch = { spec: { selector: { matchLabels: { b: '2' } } } };
    assert.deepEqual(
      applyStrategicMergePatch(budget, patch, schema, 'io.k8s.api.policy.v1.PodDisruptionBudget'),
      patch,
    );
  });

  test('a value of another type replaces', () => {
    assert.deepEqual(patchPod({ spec: { hostNetwork: true } }, { spec: 'x' }), { spec: 'x' });
  });
});

test('a patch that kubectl apply made for a changed Deployment', () => {
  const template = (spec: unknown) => ({ template: { spec } });
  const deployment = {
    metadata: { name: 'x' },
    spec: {
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
      ...template({
        containers: [
          {
            name: 'c',
            image: 'i',
            ports: [{ containerPort: 80 }, { containerPort: 81, protocol: 'UDP' }],
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '2' },
            ],
          },
          { name: 'd', image: 'i' },
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
      }),
    },
  };
  const patch = {
    metadata: { finalizers: ['a/b'] },
    spec: {
      strategy: { $retainKeys: ['type'], rollingUpdate: null, type: 'Recreate' },
      ...template({
        '$setElementOrder/containers': [{ name: 'c' }],
        '$setElementOrder/volumes': [{ name: 'v' }],
        containers: [
          {
            '$setElementOrder/env': [{ name: 'C' }, { name: 'B' }],
            '$setElementOrder/ports': [{ containerPort: 81 }, { containerPort: 82 }],
            env: [
              { name: 'C', value: '1' },
              { name: 'B', value: '3' },
              { $patch: 'delete', name: 'A' },
            ],
            image: 'i2',
            name: 'c',
            ports: [{ containerPort: 82 }, { $patch: 'delete', containerPort: 80 }],
          },
          { $patch: 'delete', name: 'd' },
        ],
        tolerations: [{ key: 'a', operator: 'Exists' }],
        volumes: [{ $retainKeys: ['configMap', 'name'], configMap: { name: 'q' }, emptyDir: null, name: 'v' }],
      }),
    },
  };
  assert.deepEqual(applyStrategicMergePatch(deployment, patch, schema, 'io.k8s.api.apps.v1.Deployment'), {
    metadata: { name: 'x', finalizers: ['a/b'] },
    spec: {
      strategy: { type: 'Recreate' },
      ...template({
        containers: [
          {
            name: 'c',
            image: 'i2',
            ports: [{ containerPort: 81, protocol: 'UDP' }, { containerPort: 82 }],
            env: [
              { name: 'C', value: '1' },
              { name: 'B', value: '3' },
            ],
          },
        ],
        volumes: [{ name: 'v', configMap: { name: 'q' } }],
        tolerations: [{ key: 'a', operator: 'Exists' }],
      }),
    },
  });
});

test('a map that says how to merge itself says nothing where there is nothing to merge it with', () => {
  const replaced = patchSpec({}, { nodeSelector: { $patch: 'replace', a: 'b' }, hostNetwork: true });
  assert.deepEqual(replaced, { hostNetwork: true });
});

describe('refused', () => {
  const spec = { containers: [{ name: 'a' }] };
  const refused: [what: string, patch: unknown, message: string][] = [
    [
      'an element without its merge key',
      { containers: [{ image: 'q' }] },
      'map: map[image:q] does not contain declared merge key: name',
    ],
    ['an unknown directive', { $patch: 'huh' }, 'unknown patch type: huh in map: map[$patch:huh]'],
    [
      '$patch: merge in a list',
      { containers: [{ name: 'a', $patch: 'merge' }] },
      'merging lists cannot yet be specified in the patch',
    ],
    [
      '$patch: merge in a map',
      { $patch: 'merge', a: [1] },
      'unknown patch type: merge in map: map[$patch:merge a:[1]]',
    ],
    [
      'an order that is no list',
      { '$setElementOrder/containers': 'x' },
      'expected a []interface {}, but received a string',
    ],
    [
      'elements that come in another order than they are wanted in',
      { '$setElementOrder/containers': [{ name: 'a' }, { name: 'b' }], containers: [{ name: 'b' }, { name: 'a' }] },
      "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:a] map[name:b]]\n",
    ],
    ['$retainKeys that is no list', { $retainKeys: 'x' }, 'invalid patch format of retainKeys'],
    ['a field that $retainKeys forgets', { $retainKeys: ['a'], b: 1 }, 'invalid patch format of retainKeys'],
  ];
  for (const [what, patch, message] of refused) {
    test(what, () => {
      assert.throws(() => patchSpec(spec, patch), { code: 'PATCH_MALFORMED', message });
    });
  }

  test('a kind without a schema', () => {
    assert.throws(() => applyStrategicMergePatch({}, {}, schema, 'com.example.v1.Thing'), {
      code: 'PATCH_UNSUPPORTED',
    });
  });
});

test('neither the object nor the patch is changed, and the result shares nothing with them', () => {
  const pod = { metadata: { finalizers: ['a'] }, spec: { containers: [{ name: 'a', env: [{ name: 'X' }] }] } };
  const patch = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'i' }] } };
  const before = structuredClone({ pod, patch });
  const result = patchPod(pod, patch) as unknown as typeof pod & typeof patch;
  result.metadata.labels.a = 'changed';
  result.metadata.finalizers.push('changed');
  result.spec.containers[0]!.image = 'changed';
  assert.deepEqual({ pod, patch }, before);
});
