import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAddresses } from './addresses.ts';
import { type ClusterConfig, migrated, stateVersion } from './config.ts';
import { defaultClusterSpec } from './spec.ts';

test('a cluster that an older knit kept gets what it did not have yet, at the place of its slot', () => {
  const spec = defaultClusterSpec();
  const addresses = chooseAddresses(spec, [{ cidr: '10.89.0.0/24', by: 'cluster other' }]);
  const { loadBalancerCIDR: _pool, ingress: _ingress, ...olderAddresses } = addresses;
  const { loadBalancer: _loadBalancer, ...olderSpec } = spec;
  const common = { name: 'kept', createdAt: '', apiPort: 6443, nodes: [], clients: [] };
  const kept = { ...common, stateVersion: 1, spec: olderSpec, addresses: olderAddresses } as unknown as ClusterConfig;
  assert.deepEqual(migrated(kept), { ...common, stateVersion, spec, addresses });
});
