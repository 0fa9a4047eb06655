import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { KnitError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { deleteNetns } from './netns.ts';
import { type Nft, openNft } from './nft.ts';
import { run } from './run.ts';

describe('nft', { timeout: 300_000 }, () => {
  const space = `knit-t-proxy-${process.pid}-nft`;
  const command = ['ip', 'netns', 'exec', space, 'nft'];
  let nft: Nft;

  before(async () => {
    await run('ip', ['netns', 'add', space]);
    nft = openNft({ log: createLog('test', () => undefined), command, idleMs: 50 });
    await nft.apply('add table ip t\nadd set ip t s { type ipv4_addr; }');
  });
  after(async () => {
    await nft?.stop();
    await deleteNetns(space);
  });

  test('commits small transactions in order', async () => {
    const all = Array.from({ length: 50 }, (_, i) => nft.apply(`add element ip t s { 10.0.0.${i} }`));
    await Promise.all(all);
    assert.match(JSON.stringify(await nft.listJson('ip', 't')), /10\.0\.0\.49/);
  });

  test('commits all of a transaction or nothing, and names the command that was refused', async () => {
    await assert.rejects(
      nft.apply(
        'add element ip t s { 10.1.0.1 }\nadd element ip t nothing { 10.1.0.2 }\nadd element ip t s { 10.1.0.3 }',
      ),
      (error: unknown) =>
        error instanceof KnitError &&
        error.code === 'NFT_REFUSED' &&
        error.message.includes('add element ip t nothing'),
    );
    assert.doesNotMatch(JSON.stringify(await nft.listJson('ip', 't')), /10\.1\.0\./);
  });

  test('commits what is far longer than a line', async () => {
    const elements = Array.from({ length: 5000 }, (_, i) => `10.2.${i >> 8}.${i & 255}`).join(', ');
    await nft.apply(`add element ip t s { ${elements} }`);
    assert.match(JSON.stringify(await nft.listJson('ip', 't')), /10\.2\.19\.135/);
  });

  test('commits a line that is as long as lines get', async () => {
    const elements = Array.from({ length: 2400 }, (_, i) => `10.5.${i >> 8}.${i & 255}`).join(', ');
    const transaction = `add element ip t s { ${elements} }`;
    assert.ok(transaction.length > 25_000 && transaction.length < 32_000, `${transaction.length}`);
    await nft.apply(transaction);
    assert.match(JSON.stringify(await nft.listJson('ip', 't')), /10\.5\.9\.95/);
  });

  test('commits nothing of what is longer than a line where one command is refused, and names it', async () => {
    const elements = Array.from({ length: 5000 }, (_, i) => `10.6.${i >> 8}.${i & 255}`).join(', ');
    await assert.rejects(
      nft.apply(`add element ip t s { ${elements} }\nadd element ip t nothing { 10.1.0.2 }`),
      (error: unknown) =>
        error instanceof KnitError &&
        error.code === 'NFT_REFUSED' &&
        error.message.includes('add element ip t nothing'),
    );
    assert.doesNotMatch(JSON.stringify(await nft.listJson('ip', 't')), /10\.6\./);
  });

  test('goes on after it was idle', async () => {
    await waitFor(async () => (await run('ip', ['netns', 'pids', space])).trim() === '', {
      what: 'the idle nft to end',
      timeoutMs: 30_000,
    });
    await nft.apply('add element ip t s { 10.3.0.1 }');
  });

  test('a table that is not there lists as undefined', async () => {
    assert.equal(await nft.listJson('ip', 'absent'), undefined);
    assert.equal(await nft.listRules('ip', 'absent'), undefined);
  });

  test('tells of commits of others, and not of its own', async () => {
    let told = 0;
    const stop = nft.onForeignCommit(() => told++);
    const foreign = () => run(command[0] ?? '', [...command.slice(1), 'add table ip other; delete table ip other']);
    await waitFor(
      async () => {
        await foreign();
        return told > 0;
      },
      { what: 'the watcher to see a foreign commit', timeoutMs: 30_000, intervalMs: 50 },
    );
    const before = told;
    for (let i = 1; i <= 20; i++) await nft.apply(`add element ip t s { 10.4.0.${i} }`);
    await foreign();
    await waitFor(() => told > before, { what: 'the next foreign commit', timeoutMs: 30_000 });
    // The watcher may be late with what others did before.
    assert.ok(told - before < 15, `${told - before} commits were told of`);
    stop();
  });

  const inside = 'KNIT_TEST_IN_CONTAINER';
  test('knows its own commits in a container too, whose processes have other numbers outside', async () => {
    if (process.env[inside]) return;
    const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath];
    const env = { ...process.env, [inside]: '1', NODE_TEST_CONTEXT: undefined };
    await run('unshare', [...unshare, '--test-name-pattern=tells of commits', import.meta.filename], { env });
  });
});
