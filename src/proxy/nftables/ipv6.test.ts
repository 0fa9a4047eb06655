import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createLog } from '../../base/log.ts';
import { deleteNetns } from '../../kernel/netns.ts';
import { type Nft, openNft } from '../../kernel/nft.ts';
import { run } from '../../kernel/run.ts';
import { planServices } from '../services.ts';
import { node1, service, slice } from '../testing/objects.ts';
import { nftablesBackend } from './backend.ts';

describe('the table of IPv6', { timeout: 300_000 }, () => {
  const space = `knit-t-proxy-${process.pid}-six`;
  const log = createLog('test', () => undefined);
  let nft: Nft;

  before(async () => {
    await run('ip', ['netns', 'add', space]);
    nft = openNft({ log, command: ['ip', 'netns', 'exec', space, 'nft'] });
  });
  after(async () => {
    await nft?.stop();
    await deleteNetns(space);
  });

  test('loads, changes, and compares equal with what was written', async () => {
    const node = {
      ...node1,
      addresses: [...node1.addresses, 'fd00:89::11'],
      podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'],
    };
    const six = (addresses: readonly string[]) => ({
      ...slice(
        'web',
        addresses.map((address) => ({ addresses: [address], nodeName: 'node1' })),
      ),
      addressType: 'IPv6',
    });
    const object = service('web', '10.96.0.10', {
      type: 'NodePort',
      clusterIPs: ['10.96.0.10', 'fd00:96::10'],
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      ports: [{ port: 80, nodePort: 30_080 }],
    });
    const backend = nftablesBackend({ nft, log });
    await backend.load(planServices([object], [six(['fd00:1::2', 'fd00:1::3'])], node), node);
    assert.equal(await backend.audit(), undefined);
    await backend.update(planServices([object], [six(['fd00:1::2', 'fd00:1::4', 'fd00:1::5'])], node));
    assert.equal(await backend.audit(), undefined);
    const text = JSON.stringify(await nft.listJson('ip6', 'knit'));
    assert.match(text, /fd00:1::5/);
    await backend.cleanup();
    assert.equal(await nft.listJson('ip6', 'knit'), undefined);
  });
});
