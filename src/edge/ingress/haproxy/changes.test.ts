import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '../../../base/wait.ts';
import { changeRoutes } from './changes.ts';
import { Commands } from './commands.ts';
import { proxyFiles } from './files.ts';

test('routes come by few commands, however many they are, change and go; odd characters stay what they are', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'knit-changes-'));
  const files = proxyFiles(folder, folder);
  writeFileSync(files.routes, '');
  writeFileSync(
    files.config,
    `global
  stats socket ${files.socket} mode 600 level admin
defaults
  mode http
frontend f
  bind unix@${join(folder, 'web.sock')} mode 600
  http-request return status 200 content-type text/plain lf-string "%[base,map_beg(${files.routes})]"
`,
  );
  const proxy = spawn('haproxy', ['-f', files.config], { stdio: 'ignore' });
  const ended = once(proxy, 'exit');
  const commands = await waitFor(() => Commands.open(files.socket), { what: 'HAProxy to answer', timeoutMs: 20_000 });
  t.after(async () => {
    commands.close();
    proxy.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const sent = t.mock.method(commands, 'send');
  const held = async () => {
    const lines = (await commands.send(`show map ${files.routes}`)).split('\n').filter(Boolean);
    return new Map(lines.map((line) => line.split(' ').slice(1) as [key: string, value: string]));
  };

  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  const first = new Map(
    numbers.map((number) => [`host-${number}.test/a;b\\c<d#/`, `backend-${number};ns/name;${number}.test`]),
  );
  await changeRoutes(commands, files, new Map(), first);
  assert.ok(sent.mock.callCount() < 10, `${sent.mock.callCount()} commands`);
  assert.deepEqual(await held(), first);

  const second = new Map(
    [...first].filter((_, index) => index % 3 > 0).map(([key, value]) => [key, `${value};new<\\`]),
  );
  second.set('another.test/', 'backend');
  await changeRoutes(commands, files, first, second);
  assert.deepEqual(await held(), second);
});
