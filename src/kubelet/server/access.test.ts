import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subresourcesOf } from './access.ts';

test('a path of the kubelet is a subresource of its node', () => {
  const asked = {
    '/stats/summary': ['stats'],
    '/metrics': ['metrics'],
    '/metrics/cadvisor': ['metrics'],
    '/logs/': ['log'],
    '/pods': ['pods', 'proxy'],
    '/runningpods/': ['pods', 'proxy'],
    '/healthz': ['healthz', 'proxy'],
    '/configz': ['configz', 'proxy'],
    '/exec/default/a/b': ['proxy'],
    '/containerLogs/default/a/b': ['proxy'],
    '/metricsandmore': ['proxy'],
  };
  for (const [path, subresources] of Object.entries(asked)) assert.deepEqual(subresourcesOf(path), subresources, path);
});
