import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostsToml } from './containerd.ts';

test('each place is asked in turn, with the CA of its own host', () => {
  const cas: Record<string, string> = { 'mirror.test:5000': '/cas/mirror.crt', 'registry.test': '/cas/registry.crt' };
  const text = hostsToml('registry.test', ['http://a.test', 'https://mirror.test:5000'], (host) => cas[host]);
  assert.equal(
    text,
    `server = "https://registry.test"
ca = "/cas/registry.crt"
[host."http://a.test"]
  capabilities = ["pull", "resolve"]
[host."https://mirror.test:5000"]
  capabilities = ["pull", "resolve"]
  ca = "/cas/mirror.crt"
`,
  );
});

test("Docker's hub is asked at its own address", () => {
  assert.equal(
    hostsToml('docker.io', [], () => undefined),
    'server = "https://registry-1.docker.io"\n',
  );
});
