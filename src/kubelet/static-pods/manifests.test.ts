import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createLog } from '../../base/log.ts';
import { readManifests } from './manifests.ts';

test('a folder’s manifests are pods named after the node, and change their identity with what they say', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'knit-t-static-'));
  const warnings: string[] = [];
  const log = createLog('kubelet', (line) => warnings.push(line));
  try {
    const manifest = (image: string) =>
      `{ apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { containers: [{ name: c, image: "${image}" }] } }`;
    await writeFile(path.join(folder, 'web.yaml'), manifest('a:1'));
    await writeFile(path.join(folder, '.web.yaml.swp'), 'x');
    await writeFile(path.join(folder, 'broken.yaml'), 'kind: ConfigMap');
    const [first, ...others] = await readManifests(folder, 'node-1', log);
    assert.deepEqual(others, []);
    assert.equal(first?.metadata?.name, 'web-node-1');
    assert.equal(first.metadata.namespace, 'default');
    assert.equal(first.spec?.nodeName, 'node-1');
    assert.equal(first.metadata.annotations?.['kubernetes.io/config.source'], 'file');
    assert.match(warnings.join(''), /broken\.yaml/);
    const [same] = await readManifests(folder, 'node-1', log);
    assert.equal(same?.metadata?.uid, first.metadata.uid);
    await writeFile(path.join(folder, 'web.yaml'), manifest('a:2'));
    const [changed] = await readManifests(folder, 'node-1', log);
    assert.notEqual(changed?.metadata?.uid, first.metadata.uid);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a folder that is not there holds no pods', async () => {
  assert.deepEqual(await readManifests('/no/such/folder', 'node-1', createLog('kubelet')), []);
});
