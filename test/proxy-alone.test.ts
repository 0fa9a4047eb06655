import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clusterPaths } from '../src/cluster/paths.ts';
import { tryRun } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { knitCommand } from './support/knit.ts';

/** `knit proxy` as people run it on a cluster that is not knit's: it has a token and kube-proxy's rights, no more. */
const name = 't-proxy-alone';
let cluster: TestCluster;
let folder: string;
let proxy: ChildProcess | undefined;

const inNode = (...command: string[]) => ['exec', '--name', name, 'node/node-1', '--', ...command];
const onNode = (...command: string[]) => cluster.knit(inNode(...command));
const proxyArguments = () => ['proxy', '--config', join(folder, 'config.yaml'), '--node-name', 'node-1'];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'knit-proxy-alone-'));
  const file = join(folder, 'cluster.yaml');
  writeFileSync(
    file,
    'apiVersion: knit.dev/v1alpha1\nkind: Cluster\nnodes: 1\nnetwork: { uplink: none }\nproxy: { mode: none }\n',
  );
  cluster = await startCluster(name, ['-f', file]);
  await cluster.kubectl(['create', 'serviceaccount', 'kube-proxy', '-n', 'kube-system']);
  const role = ['--clusterrole=system:node-proxier', '--serviceaccount=kube-system:kube-proxy'];
  await cluster.kubectl(['create', 'clusterrolebinding', 'kube-proxy', ...role]);
  const token = (await cluster.kubectl(['create', 'token', 'kube-proxy', '-n', 'kube-system'])).trim();
  writeFileSync(join(folder, 'kubeconfig'), kubeconfig(token), { mode: 0o600 });
  writeFileSync(
    join(folder, 'config.yaml'),
    `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: { kubeconfig: ${join(folder, 'kubeconfig')} }
clusterCIDR: ${cluster.config.addresses.podCIDR}
mode: ""
`,
  );
  await cluster.kubectl(['create', 'deployment', 'web', '--image=knit.dev/lab:1', '--port=8080']);
  await cluster.kubectl(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
  await cluster.kubectl(['rollout', 'status', 'deployment', 'web', '--timeout=110s']);
});
after(async () => {
  await stopProxy();
  await cluster?.down();
  rmSync(folder, { recursive: true, force: true });
});

function kubeconfig(token: string): string {
  const server = `https://${cluster.config.addresses.fabric}:6443`;
  const authority = join(clusterPaths(name).pki, 'ca.crt');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': authority } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

function startProxyProcess(): void {
  const args = inNode(knitCommand, ...proxyArguments());
  proxy = spawn(knitCommand, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function stopProxy(): Promise<void> {
  if (!proxy || proxy.exitCode !== null) return;
  const ended = once(proxy, 'exit');
  proxy.kill('SIGTERM');
  await ended;
}

const refusal = async () => (await tryRun(knitCommand, inNode(knitCommand, ...proxyArguments()))).stderr;
const serviceAddress = () => cluster.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
const answer = async (seconds = '20') =>
  onNode('curl', '-s', '-m', seconds, `http://${await serviceAddress()}/`).catch(() => undefined);

test('no proxy, no Services: pods run, and a virtual address leads nowhere', async () => {
  assert.equal(await answer('1'), undefined);
  assert.doesNotMatch(await onNode('nft', 'list', 'tables'), /table ip knit\n/);
});

test('it does not start beside kube-proxy, nor where kube-proxy left its rules', async () => {
  const kubeProxy = join(folder, 'kube-proxy');
  copyFileSync('/bin/sleep', kubeProxy);
  const other = spawn(knitCommand, inNode(kubeProxy, '600'), { stdio: 'ignore' });
  try {
    // A proxy that came before it would not end.
    await eventually('kube-proxy to run', async () => (await tryRun('pgrep', ['-x', 'kube-proxy'])).code === 0);
    assert.match(await refusal(), /kube-proxy runs on this node/);
  } finally {
    const ended = once(other, 'exit');
    other.kill('SIGTERM');
    await ended;
  }
  await onNode('nft', 'add', 'table', 'ip', 'kube-proxy');
  assert.match(await refusal(), /kube-proxy left the table ip kube-proxy on this node\n.*kube-proxy --cleanup/);
  await onNode('nft', 'delete', 'table', 'ip', 'kube-proxy');
});

test('with the rights of kube-proxy it serves Services, and a second one ends with the reason', async () => {
  startProxyProcess();
  assert.match(await eventually('the Service to answer', () => answer('2')), /^pod +web-/);
  await cluster.kubectl(['rollout', 'status', 'deployment', 'knit-dns', '-n', 'kube-system', '--timeout=110s']);
  // A pod of DNS is told ready before its address is an endpoint in the kernel.
  const byName = () => cluster.kubectl(['exec', 'deploy/web', '--', 'wget', '-qO-', 'http://web/']);
  assert.match(await eventually('the Service to be found by its name', byName), /^pod +web-/);
  assert.match(await onNode('curl', '-s', 'http://127.0.0.1:10249/proxyMode'), /^nftables$/);
  assert.match(await refusal(), /cannot listen on port 10256[\s\S]*is another proxy running/);
});

test('its rules serve on when it ends, until --cleanup takes them away', async () => {
  await stopProxy();
  assert.match((await answer()) ?? '', /^pod +web-/);
  await onNode(knitCommand, 'proxy', '--cleanup');
  assert.doesNotMatch(await onNode('nft', 'list', 'tables'), /table ip6? knit\n/);
});
