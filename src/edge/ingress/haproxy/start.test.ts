import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '../../../base/wait.ts';
import { ask } from './commands.ts';
import { proxyFiles } from './files.ts';
import { startCommand } from './start.ts';

const config = (socket: string) => `defaults
  mode http
  timeout client 5s
frontend f
  bind unix@${socket} mode 600
  log stdout len 8192 format raw local0
  log-format '%{+Q}r'
  http-request return status 200
`;

test('an access log that is too long goes to another file, and the proxy writes on at the beginning, also after a reload', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'knit-start-'));
  const files = proxyFiles(folder, folder);
  const socket = join(folder, 'web.sock');
  writeFileSync(files.config, config(socket));
  writeFileSync(files.accessLog, 'a line of before\n');
  const [command = '', ...args] = startCommand(files, { everySeconds: 0.1, largestBytes: 20_000 });
  const proxy = spawn(command, args, { stdio: 'ignore' });
  const ended = once(proxy, 'exit');
  t.after(async () => {
    proxy.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const request = async (path: string): Promise<number | undefined> => {
    const asked = get({ socketPath: socket, path, agent: false });
    const [response]: IncomingMessage[] = await once(asked, 'response');
    return response?.resume().statusCode;
  };
  const log = () => readFileSync(files.accessLog, 'utf8');
  await waitFor(async () => (await request('/first')) === 200, { what: 'an answer', timeoutMs: 20_000 });
  assert.match(log(), /^a line of before\n/);

  for (const turn of ['one', 'two']) {
    rmSync(`${files.accessLog}.1`, { force: true });
    for (let i = 0; i < 25; i++) await request(`/${turn}/${'x'.repeat(1000)}`);
    await waitFor(() => existsSync(`${files.accessLog}.1`) && statSync(files.accessLog).size < 20_000, {
      what: 'the log to be begun anew',
      timeoutMs: 20_000,
    });
    await request(`/${turn}-after`);
    await waitFor(() => log().includes(`/${turn}-after`), { what: 'the next line', timeoutMs: 20_000 });
    assert.doesNotMatch(log(), /\0/);
    assert.ok(statSync(files.accessLog).size < 20_000);
    assert.match(readFileSync(`${files.accessLog}.1`, 'utf8'), new RegExp(`/${turn}/x`));
    await ask(files.masterSocket, 'reload').catch(() => ''); // it ends as the master starts anew
    await waitFor(() => ask(files.masterSocket, 'show proc').then((text) => /^\d+\s+worker/m.test(text)), {
      what: 'the new worker',
      timeoutMs: 20_000,
    });
  }
});
