import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { openIptables } from './iptables.ts';
import { deleteNetns } from './netns.ts';
import { type Nft, openNft } from './nft.ts';
import { run } from './run.ts';

describe('iptables', { timeout: 300_000 }, () => {
  const space = `knit-t-iptables-kernel-${process.pid}`;
  const enter = ['ip', 'netns', 'exec', space];
  const iptables = openIptables({ enter });
  let nft: Nft;

  before(async () => {
    await run('ip', ['netns', 'add', space]);
    nft = openNft({ log: createLog('test', () => undefined), command: [...enter, 'nft'] });
  });
  after(async () => {
    await nft?.stop();
    await deleteNetns(space);
  });

  test('adds to what is there, and reads it back', async () => {
    await iptables.restore('ipv4', '*nat\n:MINE - [0:0]\n-A MINE -d 192.0.2.1/32 -j RETURN\nCOMMIT\n');
    await iptables.restore('ipv4', '*nat\n:OTHER - [0:0]\nCOMMIT\n');
    assert.match(
      await iptables.save('ipv4', 'nat'),
      /:MINE - [\s\S]*:OTHER - [\s\S]*-A MINE -d 192\.0\.2\.1\/32 -j RETURN/,
    );
    assert.doesNotMatch(await iptables.save('ipv6', 'nat'), /MINE/);
  });

  test('names the line that it refuses, and writes nothing of its table', async () => {
    await assert.rejects(iptables.restore('ipv4', '*nat\n:NEW - [0:0]\n-A NEW -j NOWHERE\nCOMMIT\n'), {
      code: 'IPTABLES_REFUSED',
      message: /NOWHERE|line/,
    });
    assert.doesNotMatch(await iptables.save('ipv4', 'nat'), /NEW/);
  });

  test("its commits and looks are not foreign; another process's are", async () => {
    let foreign = 0;
    const stop = nft.onForeignCommit(() => foreign++);
    const byOther = (name: string) => run('ip', ['netns', 'exec', space, 'iptables', '-t', 'nat', '-N', name]);
    // The monitor listens from some moment on: until then commits go unseen.
    let number = 0;
    await waitFor(
      async () => {
        await byOther(`SEEN-${number++}`);
        return foreign > 0;
      },
      { what: 'a foreign commit to be seen', timeoutMs: 30_000 },
    );
    const settled = async () => {
      const before = foreign;
      await byOther(`MARK-${number++}`);
      await waitFor(() => foreign > before, { what: 'the mark to be seen', timeoutMs: 30_000 });
      return foreign;
    };
    const before = await settled();
    for (let i = 0; i < 20; i++) await iptables.restore('ipv4', `*filter\n:MINE-${i} - [0:0]\nCOMMIT\n`);
    await iptables.save('ipv6', 'filter');
    const seen = (await settled()) - before;
    // The listener may be late with what others did before.
    assert.ok(seen < 15, `${seen} were taken for foreign: only the marks are`);
    stop();
  });
});
