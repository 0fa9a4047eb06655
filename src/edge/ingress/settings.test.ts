import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from './settings.ts';

const annotated = (values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`knit.dev/${key}`, value]));

test('what an Ingress says wins over its class, and annotations of others are not ours', () => {
  const own = { ...annotated({ backends: 'pods' }), 'nginx.ingress.kubernetes.io/rewrite-target': '/' };
  const { settings, problems } = readSettings(own, { backends: 'nodes', 'timeout-response': '90s' });
  assert.equal(settings.backends, 'pods');
  assert.equal(settings.policy.responseTimeoutMs, 90_000);
  assert.deepEqual(problems, []);
});

test('a value that cannot be read counts as not said, and is told with what is allowed', () => {
  const { settings, problems } = readSettings(annotated({ 'timeout-connect': 'soon', backends: 'both', tmeout: '1s' }));
  assert.deepEqual([settings.policy.connectTimeoutMs, settings.backends], [undefined, 'nodes']);
  assert.deepEqual(problems, [
    'annotation knit.dev/timeout-connect: "soon": must be a time such as 500ms, 30s, 5m or 1h',
    'annotation knit.dev/backends: "both": must be one of nodes, pods',
    'annotation knit.dev/tmeout: "1s": nothing of this name is known',
  ]);
});

test('nothing that could end a line or a word of a configuration is accepted', () => {
  for (const [key, value] of [
    ['redirect', 'https://a.test/\nbackend evil'],
    ['redirect', "https://a.test/'"],
    ['replace-prefix', '/a b'],
    ['affinity-cookie', 'a;b'],
    ['canary-header', 'X: y'],
    ['canary-header-value', 'a;b'],
    ['timeout-response', '1s\n'.padEnd(20, ' x')],
  ] as const) {
    assert.equal(readSettings(annotated({ [key]: value })).problems.length, 1, `${key}: ${value}`);
  }
});

test('only a class says whom to believe the PROXY protocol', () => {
  const text = '10.0.0.0/8, 192.0.2.7';
  assert.deepEqual(readSettings({}, { 'accept-proxy-protocol-from': text }).settings.trustedProxies, [
    '10.0.0.0/8',
    '192.0.2.7',
  ]);
  assert.deepEqual(readSettings(annotated({ 'accept-proxy-protocol-from': text })).settings.trustedProxies, []);
  for (const wrong of ['10.0.0.0/33', 'fe80::1%eth0', '10.0.0.0/8,', 'all'])
    assert.equal(readSettings({}, { 'accept-proxy-protocol-from': wrong }).problems.length, 1, wrong);
});
