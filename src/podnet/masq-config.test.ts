import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nonMasqueradeCIDRs } from './masq-config.ts';

const read = (config: string) => nonMasqueradeCIDRs({ config });

test('without a ConfigMap nobody outside the cluster sees pods’ addresses', async () => {
  assert.deepEqual(await nonMasqueradeCIDRs(undefined), []);
});

test('YAML and JSON name networks; link-local ones are among them unless they are masqueraded', async () => {
  assert.deepEqual(await read('nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- fd00::/8\nresyncInterval: 60s\n'), [
    '10.0.0.0/8',
    'fd00::/8',
    '169.254.0.0/16',
    'fe80::/10',
  ]);
  assert.deepEqual(
    await read('{"nonMasqueradeCIDRs":["198.51.100.9/24"],"masqLinkLocal":true,"masqLinkLocalIPv6":true}'),
    ['198.51.100.0/24'],
  );
  assert.deepEqual(await read(''), ['169.254.0.0/16', 'fe80::/10']);
});

test('what cannot be read is refused, and named', async () => {
  for (const text of ['[', 'words', 'nonMasqueradeCIDRs: 10.0.0.0/8', 'nonMasqueradeCIDRs: [10.0.0.1, x]'])
    await assert.rejects(read(text), { code: 'MASQ_CONFIG_INVALID' }, text);
});
