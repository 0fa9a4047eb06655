import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createLog } from '../base/log.ts';
import { openNft } from '../kernel/nft.ts';
import { CLIENT, type Lab, NODE1, startLab } from '../proxy/testing/lab.ts';
import { CONFLIST_NAME, cniConfig, writeCNIConfig } from './cni.ts';
import { egressRules } from './masquerade.ts';

describe('the CNI configuration', () => {
  const options = { podCIDRs: ['10.244.1.0/24'], dataDir: '/var/lib/cni/networks', mtu: 1450 };

  test('routes a veth a pod, with addresses of the node and no masquerade', () => {
    const { plugins } = JSON.parse(cniConfig(options)) as { plugins: unknown };
    assert.deepEqual(plugins, [
      {
        type: 'ptp',
        ipMasq: false,
        mtu: 1450,
        ipam: {
          type: 'host-local',
          dataDir: '/var/lib/cni/networks',
          ranges: [[{ subnet: '10.244.1.0/24' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ]);
  });

  test('is written again only when it changes', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'knit-t-podnet-'));
    try {
      assert.equal(await writeCNIConfig(dir, cniConfig(options)), true);
      const first = await stat(join(dir, CONFLIST_NAME));
      assert.equal(await writeCNIConfig(dir, cniConfig(options)), false);
      assert.equal((await stat(join(dir, CONFLIST_NAME))).ino, first.ino);
      const text = cniConfig({ ...options, podCIDRs: ['10.244.7.0/24'] });
      assert.equal(await writeCNIConfig(dir, text), true);
      assert.equal(await readFile(join(dir, CONFLIST_NAME), 'utf8'), text);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('what leaves the cluster', { timeout: 300_000 }, () => {
  let lab: Lab;
  const log = createLog('test', () => undefined);

  before(async () => {
    lab = await startLab();
    await lab.client.serve('tcp', 9000);
    await lab.client.serve('udp', 9000);
    await lab.node.serve('tcp', 9000);
    const nft = openNft({ log, command: [...lab.inNode, 'nft'] });
    await nft.apply(egressRules({ podCIDRs: ['10.244.1.0/24'], directCIDRs: ['10.244.0.0/16'] }));
    await nft.stop();
  });
  after(() => lab?.stop());

  test('has the address of the node', async () => {
    assert.equal((await lab.a.tcp(CLIENT, 9000)).answer, `client sees ${NODE1}`);
    assert.equal((await lab.a.udp(CLIENT, 9000)).answer, `client sees ${NODE1}`);
  });

  test('pods see each other, and the node sees its pods, as they are', async () => {
    assert.equal((await lab.a.tcp('10.244.2.2', 8080)).answer, 'c sees 10.244.1.2');
    assert.equal((await lab.a.tcp('10.244.1.3', 8080)).answer, 'b sees 10.244.1.2');
    assert.equal((await lab.a.tcp(NODE1, 9000)).answer, 'node1 sees 10.244.1.2');
  });

  test('the address of a client that comes in is kept', async () => {
    assert.equal((await lab.client.tcp('10.244.1.2', 8080)).answer, `a sees ${CLIENT}`);
  });
});
