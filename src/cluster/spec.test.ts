import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClusterSpec } from './spec.ts';
import { nodeSpecs } from './spec-values.ts';

const parse = (text: string) => parseClusterSpec(`apiVersion: knit.dev/v1alpha1\nkind: Cluster\n${text}`, 'c.yaml');

test('what is left out, or stands there empty, gets its default', () => {
  assert.deepEqual(parse('network:\ndns: { replicas: }\nname:'), parse(''));
  const spec = parse('');
  assert.equal(spec.network.uplink, 'user');
  assert.deepEqual(
    nodeSpecs(spec).map((node) => node.name),
    ['node-1', 'node-2', 'node-3'],
  );
});

test('of a list of nodes the wrong entry is named, of a number its limits', () => {
  const cases: [string, RegExp][] = [
    ['nodes: [{ name: a }, {}]', /nodes\[1\]\.name: missing/],
    ['nodes: [{ name: a, labels: { x: 1 } }]', /nodes\[0\]\.labels\.x: 1: /],
    ['nodes: 101', /nodes: 101: .*<=100/],
    ['nodes: {}', /nodes: \{\}: must be a number from 1 to 100, or a list/],
  ];
  for (const [text, message] of cases) assert.throws(() => parse(text), { code: 'SPEC_INVALID', message }, text);
});

test('periods of a shutdown that contradict each other are refused', () => {
  const cases: [string, RegExp][] = [
    ['shutdownGracePeriod: 500ms', /kubelet\.shutdownGracePeriod: "500ms": must be 0s, or 1s and more/],
    ['shutdownGracePeriod: 10s, shutdownGracePeriodCriticalPods: 20s', /CriticalPods: "20s": must not be longer than/],
    [
      'shutdownGracePeriod: 10s, shutdownGracePeriodByPodPriority: [{ priority: 0, shutdownGracePeriodSeconds: 1 }]',
      /shutdownGracePeriodByPodPriority: .*must not stand beside shutdownGracePeriod/,
    ],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parse(`kubelet: { ${text} }`), { code: 'SPEC_INVALID', message }, text);
  }
});

test('everything that is wrong is told at once', () => {
  assert.throws(() => parse('nodes: 0\napi: { port: 0 }\nextra: 1'), {
    message: /nodes: 0[\s\S]*api\.port: 0[\s\S]*extra: unknown field/,
  });
});
