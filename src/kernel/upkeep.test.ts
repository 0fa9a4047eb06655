import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import { Upkeep } from './upkeep.ts';

function keep(t: { after(end: () => Promise<void>): void }, sync: () => Promise<void>, wrong?: string) {
  const lines: string[] = [];
  const counts = { syncs: 0, audits: 0 };
  const upkeep = new Upkeep({
    log: createLog('test', (line) => void lines.push(line)),
    what: 'things',
    auditDelayMs: 1,
    async sync() {
      counts.syncs++;
      await sync();
    },
    async audit() {
      counts.audits++;
      return wrong;
    },
  });
  t.after(() => upkeep.stop());
  return { upkeep, counts, lines };
}

const until = (what: string, holds: () => boolean) => waitFor(holds, { what, timeoutMs: 30_000, intervalMs: 5 });

test('changes that come while one is written go into the next one, all together', async (t) => {
  const first = Promise.withResolvers<void>();
  const { upkeep, counts } = keep(t, () => first.promise);
  upkeep.wake();
  assert.equal(counts.syncs, 0, 'nothing before it begins');
  upkeep.begin();
  await until('the first', () => counts.syncs === 1);
  for (let i = 0; i < 10; i++) upkeep.wake();
  first.resolve();
  await until('the second', () => counts.syncs === 2);
  await upkeep.stop();
  assert.equal(counts.syncs, 2);
});

test('what failed is tried again, and compared: what of it took place is not known', async (t) => {
  let fails = 1;
  const { upkeep, counts, lines } = keep(t, async () => {
    if (fails-- > 0) throw new Error('no memory');
  });
  upkeep.begin();
  await until('the audit', () => counts.audits === 1);
  assert.equal(counts.syncs, 2);
  assert.match(lines.join(), /cannot write things into the kernel, trying again .*no memory/);
});

test('commits of others are looked at once for many, and what was mended is told', async (t) => {
  const { upkeep, counts, lines } = keep(t, async () => undefined, 'a chain was gone');
  upkeep.begin();
  for (let i = 0; i < 10; i++) upkeep.wantAudit();
  await until('the audit', () => counts.audits > 0);
  await upkeep.stop();
  assert.equal(counts.audits, 1);
  assert.match(lines.join(), /somebody else changed the rules of things, brought them back .*a chain was gone/);
});
