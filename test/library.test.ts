import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createCluster, KnitError } from 'knit';

// The library's own example is its test.
import '../examples/testing/web.test.ts';

test('a cluster goes when its block ends, and what was refused says why', async () => {
  let state = '';
  {
    await using cluster = await createCluster({ nodes: 1, hollowNodes: 2 });
    state = `/var/lib/knit/${cluster.name}`;
    assert.ok(existsSync(state));
    await assert.rejects(cluster.apply({ apiVersion: 'v1', kind: 'Pods', metadata: { name: 'x' } }), KnitError);
    await assert.rejects(cluster.apply('a: [b'), /no YAML/);
    await assert.rejects(cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' } }), /spec.containers/);
    const node = await cluster.wait({ apiVersion: 'v1', kind: 'Node', name: 'hollow-2' }, 'Ready');
    assert.equal(node.metadata?.name, 'hollow-2');
    await assert.rejects(
      cluster.wait({ apiVersion: 'v1', kind: 'Pod', name: 'nobody' }, 'Ready', 100),
      /gave up waiting for Pod nobody to be Ready after 100 ms: it is not there/,
    );
  }
  assert.equal(existsSync(state), false);
});

test('a wrong option is refused before anything is made', async () => {
  await assert.rejects(createCluster({ nodes: 0 }), /nodes: 0: /);
});
