import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../api/types.ts';
import { type ServiceFamily, settleFamilies } from './service-families.ts';

type Spec = NonNullable<Service['spec']>;

const settled = (asked: Spec, available: ServiceFamily[] = ['IPv4', 'IPv6']) => {
  const spec = { selector: { app: 'a' }, ...asked };
  const complaints = settleFamilies(spec, available);
  return complaints.length > 0
    ? complaints.map(({ why }) => why).join()
    : [spec.ipFamilyPolicy, ...(spec.ipFamilies ?? [])];
};

test('who asks for nothing gets one family, the default one', () => {
  assert.deepEqual(settled({}), ['SingleStack', 'IPv4']);
  assert.deepEqual(settled({ ipFamilies: ['IPv6'] }), ['SingleStack', 'IPv6']);
  assert.deepEqual(settled({ clusterIPs: ['fd00::1'], clusterIP: 'fd00::1' }), ['SingleStack', 'IPv6']);
});

test('two families come in the order that is asked for', () => {
  assert.deepEqual(settled({ ipFamilyPolicy: 'PreferDualStack' }), ['PreferDualStack', 'IPv4', 'IPv6']);
  assert.deepEqual(settled({ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] }), [
    'RequireDualStack',
    'IPv6',
    'IPv4',
  ]);
  assert.deepEqual(settled({ ipFamilyPolicy: 'PreferDualStack' }, ['IPv4']), ['PreferDualStack', 'IPv4']);
});

test('what the cluster has not, and two families without a policy for them, are refused', () => {
  assert.match(String(settled({ ipFamilyPolicy: 'RequireDualStack' }, ['IPv4'])), /not configured for dual-stack/);
  assert.match(String(settled({ ipFamilies: ['IPv6'] }, ['IPv4'])), /not configured on this cluster/);
  assert.match(
    String(settled({ ipFamilies: ['IPv4', 'IPv6'] })),
    /must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families/,
  );
});

test('a headless Service without a selector may have endpoints of both families', () => {
  const spec = { clusterIP: 'None', clusterIPs: ['None'], selector: {} };
  assert.deepEqual(settled(spec, ['IPv4']), ['RequireDualStack', 'IPv4', 'IPv6']);
  assert.deepEqual(settled({ ...spec, selector: { app: 'a' } }), ['SingleStack', 'IPv4']);
});
