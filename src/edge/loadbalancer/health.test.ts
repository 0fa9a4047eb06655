import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { type Health, HealthChecks, judge } from './health.ts';

const settings = { intervalMs: 20, timeoutMs: 2000, healthyThreshold: 1, unhealthyThreshold: 2 };
const stops: (() => unknown)[] = [];
after(async () => {
  for (const stop of stops) await stop();
});

test('a node goes out after so many bad answers in a row, and comes in after so many good ones', () => {
  const careful = { ...settings, healthyThreshold: 2, unhealthyThreshold: 3 };
  const after = (...outcomes: Exclude<Health, 'unknown'>[]) =>
    outcomes.reduce<Health>(
      (health, _, index) => judge(outcomes.slice(0, index + 1).slice(-3), careful, health),
      'unknown',
    );
  assert.equal(after('healthy'), 'unknown');
  assert.equal(after('healthy', 'healthy'), 'healthy');
  assert.equal(after('healthy', 'healthy', 'unhealthy', 'silent'), 'healthy');
  assert.equal(after('healthy', 'healthy', 'unhealthy', 'silent', 'unhealthy'), 'unhealthy');
  assert.equal(after('silent', 'silent', 'silent'), 'silent');
  assert.equal(after('silent', 'silent', 'silent', 'unhealthy'), 'unhealthy');
  assert.equal(after('unhealthy', 'unhealthy', 'unhealthy', 'healthy'), 'unhealthy');
});

test('a node that answers 200 is healthy, one that answers 503 or refuses is not, and is not dead', async () => {
  let status = 200;
  const server = createServer((_, response) => response.writeHead(status).end());
  const port = await listen(server);
  const check = { address: '127.0.0.1', port };
  const checks = watch(settings);
  checks.set([check]);
  await checks.known();
  assert.equal(checks.of(check), 'healthy');
  status = 503;
  await waitFor(() => checks.of(check) === 'unhealthy', { what: '503 to count', timeoutMs: 30_000 });
  status = 200;
  await waitFor(() => checks.of(check) === 'healthy', { what: '200 to count', timeoutMs: 30_000 });
  await new Promise((resolve) => server.close(resolve));
  await waitFor(() => checks.of(check) === 'unhealthy', { what: 'the refusal to count', timeoutMs: 30_000 });
});

test('a process that hangs is unhealthy: its kernel still answers', async () => {
  const port = await listen(createServer(() => undefined));
  const checks = watch({ ...settings, timeoutMs: 50 });
  const check = { address: '127.0.0.1', port };
  checks.set([check]);
  await checks.known();
  assert.equal(checks.of(check), 'unhealthy');
});

test('what is not asked any more is not known', async () => {
  const check = { address: '127.0.0.1', port: await listen(createServer((_, response) => response.end())) };
  const checks = watch(settings);
  checks.set([check]);
  await checks.known();
  checks.set([]);
  assert.equal(checks.of(check), 'unknown');
});

function watch(given: typeof settings): HealthChecks {
  const checks = new HealthChecks(given, () => undefined);
  stops.push(() => checks.stop());
  return checks;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  return (server.address() as AddressInfo).port;
}
