import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { parse } from 'yaml';
import type { ClusterConfig } from '../src/cluster/config.ts';
import { clusterPaths } from '../src/cluster/paths.ts';
import { processesIn } from '../src/kernel/cgroup.ts';
import { run } from '../src/kernel/run.ts';
import { eventually, requireRoot } from './support/cluster.ts';
import { knitCommand, kubectlCommand, tryKnit } from './support/knit.ts';
import { machineState } from './support/machine.ts';
import { freePort } from './support/ports.ts';

/** What can go wrong when a cluster is made, ended or asked for, and what is left after it: nothing. */
const name = 't-trouble';
const scratch = mkdtempSync(join(tmpdir(), 'knit-test-trouble-'));
const paths = clusterPaths(name);
let pristine: string[];

const knit = (...args: readonly string[]) => tryKnit(args, { env: { KNIT_NAME: name } });
const upOneNode = ['up', '--nodes', '1', '--no-kubeconfig'];

before(async () => {
  requireRoot();
  await knit('down');
  pristine = await mine();
});
afterEach(async () => {
  await knit('down');
  assert.deepEqual(await mine(), pristine);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** What the machine has of this test's clusters: others may come and go meanwhile. */
async function mine(): Promise<string[]> {
  return (await machineState(name)).filter((line) => line.includes(name));
}

function clusterFile(text: string): string {
  const file = join(scratch, 'cluster.yaml');
  writeFileSync(file, text.startsWith('apiVersion') ? text : `apiVersion: knit.dev/v1alpha1\nkind: Cluster\n${text}`);
  return file;
}

function kubeconfigFile(text: string): string {
  const file = join(scratch, 'kubeconfig');
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

test('a wrong cluster file is refused with each path, what stands there and what is allowed', async () => {
  const cases: [string, string[]][] = [
    ['nodes: three', ['nodes: "three": must be a number from 1 to 100, or a list of nodes']],
    ['nodes: [{ name: A_b }]', ['nodes[0].name: "A_b": must be lower-case letters']],
    ['nodes: [{ name: a, labels: { "b c": d } }]', ['nodes[0].labels.b c']],
    ['nodes: [{ name: a }, { name: a }]', ['two nodes are named a']],
    ['clients: [bob, bob]', ['two clients are named bob']],
    [
      'network: { podNetwork: bridge, podCIDR: 10.244.1.0/16, uplink: modem, mtu: 1 }',
      [
        'network.podNetwork: "bridge": must be one of "routes"|"vxlan"',
        'network.podCIDR: "10.244.1.0/16": 10.244.1.0/16 has bits set after its prefix; did you mean 10.244.0.0/16?',
        'network.uplink: "modem": must be one of "user"|"nat"|"none"',
        'network.mtu: unknown field',
      ],
    ],
    ['proxy: { mode: ipvs }', ['proxy.mode: "ipvs"']],
    ['api: { port: 70000 }', ['api.port: 70000: Too big: expected number to be <=65535']],
    ['dns: { domain: a..b, replicas: 0 }', ['dns.domain: "a..b"', 'dns.replicas: 0: Too small']],
    ['registries: { mirrors: { docker.io: [nowhere] } }', ['registries.mirrors.docker.io[0]: "nowhere": Invalid URL']],
    [
      'registries: { cas: { r.example: /no/such.pem } }',
      ['the CA of r.example cannot be read', 'registries.cas.r.example'],
    ],
    ['apiVersion: v1\nkind: Pod', ['apiVersion: "v1": must be "knit.dev/v1alpha1"', 'kind: "Pod"']],
    ['network: [', ['is no YAML']],
    [
      'network: { podCIDR: 10.50.0.0/24 }\nnodes: 2',
      ['network.podCIDR: 10.50.0.0/24 has 256 addresses; 512 are needed'],
    ],
    [
      'network: { podCIDR: 10.50.0.0/16, serviceCIDR: 10.50.1.0/24 }',
      ['network.podCIDR and network.serviceCIDR overlap'],
    ],
    [
      'network: { nodeCIDR: 10.89.0.0/16 }',
      ["network.nodeCIDR: 10.89.0.0/16 overlaps 10.89.254.0/23 (knit's own links)"],
    ],
    ['name: another', ['is for the cluster another', 'knit up --name another -f']],
  ];
  for (const [text, expected] of cases) {
    const { code, stderr } = await knit('up', '-f', clusterFile(text));
    assert.equal(code, 1, text);
    for (const part of expected) assert.ok(stderr.includes(part), `${part}\nis not in\n${stderr}`);
    assert.deepEqual(await mine(), pristine, text);
  }
  const missing = await knit('up', '-f', join(scratch, 'none.yaml'));
  assert.match(missing.stderr, /none\.yaml cannot be read/);
});

test('networks that the machine has are refused by name', async () => {
  const routes: { dst: string; dev: string }[] = JSON.parse(
    await run('ip', ['-j', '-4', 'route', 'show', 'scope', 'link']),
  );
  // Networks of other tests may be gone in a moment.
  const own = routes.find((route) => !/^knit/.test(route.dev) && route.dst.includes('/'));
  const { code, stderr } = await knit('up', '-f', clusterFile(`network: { clientCIDR: ${own?.dst} }`));
  assert.equal(code, 1);
  assert.match(stderr, /network\.clientCIDR: \S+ overlaps \S+ \(\S+ of this machine\)\n.*leave it out/);
});

test('a cluster file makes the cluster that it describes, also from standard input', async () => {
  const text = `
apiVersion: knit.dev/v1alpha1
kind: Cluster
name: ${name}
nodes:
  - name: left
    labels: { topology.kubernetes.io/zone: a }
  - name: right
network:
  podCIDR: 10.150.0.0/16
  serviceCIDR: 10.151.0.0/24
  nodeCIDR: 10.152.0.0/24
  clientCIDR: 198.19.1.0/27
dns: { domain: example.test, replicas: 1 }
clients: [bob, carol]
api:
`;
  const up = await tryKnit(['up', '-f', '-', '--no-kubeconfig', '-o', 'json'], { input: text });
  assert.equal(up.code, 0, up.stderr);
  assert.equal(up.stderr, '');
  const config: ClusterConfig = JSON.parse(up.stdout);
  assert.equal(config.name, name);
  assert.deepEqual(
    [...config.nodes, ...config.clients].map((each) => [each.name, each.address]),
    [
      ['left', '10.152.0.11'],
      ['right', '10.152.0.12'],
      ['bob', '198.19.1.2'],
      ['carol', '198.19.1.3'],
    ],
  );
  const env = { KNIT_NAME: name, PATH: `${join(kubectlCommand, '..')}:${process.env.PATH}` };
  const kubectl = async (...args: readonly string[]) => (await tryKnit(['kubectl', ...args], { env })).stdout;
  assert.equal(await kubectl('get', 'nodes', '-l', 'topology.kubernetes.io/zone=a', '-o', 'name'), 'node/left\n');
  assert.equal(await kubectl('get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}'), '10.151.0.1');
  await kubectl('run', 'web', '--image=knit.dev/lab:1');
  await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=110s');
  assert.match(await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}'), /^10\.150\./);
  const { stdout } = await knit('exec', 'pod/web', '--', 'getent', 'hosts', 'kubernetes.default.svc.example.test');
  assert.match(stdout, /^10\.151\.0\.1 /);
});

test('knit up tells each step as a line, and at the end what there is and what to try', async () => {
  const { code, stdout, stderr } = await knit(...upOneNode);
  assert.equal(code, 0);
  assert.deepEqual(
    stderr
      .trim()
      .split('\n')
      .map((line) => line.replace(/ [\d.]+ s$/, '')),
    [
      '✓ Looking at this machine',
      '✓ Making certificates and networks for one node',
      '✓ Starting the API server and one node',
      '✓ Waiting for nodes and DNS',
    ],
  );
  assert.match(stdout, /The cluster t-trouble is up: node-1\n +API server +https:\/\/127\.0\.0\.1:\d+/);
  assert.match(stdout, /knit status --name t-trouble[\s\S]*knit down --name t-trouble/);
  assert.doesNotMatch(stdout, /context/);
});

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  // A moment of each phase: links are made, processes are started, nodes are waited for.
  for (const moment of ['cluster.json', 'pki/ca.crt', 'logs/node-2/agent.log']) {
    test(`${signal} in knit up, when ${moment} is there, undoes what was made`, async () => {
      const child = spawn(knitCommand, ['up', '--name', name, '--nodes', '2', '--no-kubeconfig'], { stdio: 'pipe' });
      let stderr = '';
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      await eventually(`${moment}`, async () => existsSync(join(paths.state, moment)));
      child.kill(signal);
      assert.equal(await ended, exitCode, stderr);
      assert.match(stderr, new RegExp(`Undoing[\\s\\S]*ended by ${signal}; what was made is undone`));
      assert.deepEqual(await mine(), pristine);
    });
  }
}

test('knit up waits for nodes and DNS no longer than it was told, and undoes what was made', async () => {
  const refused = await knit(...upOneNode, '--wait', 'soon');
  assert.match(refused.stderr, /--wait <duration>.* is invalid.*30s, 5m/);
  const { code, stderr } = await knit(...upOneNode, '--wait', '1ms');
  assert.equal(code, 1);
  assert.match(
    stderr,
    /Undoing[\s\S]*gave up waiting for the cluster after 1 ms[\s\S]*a slow machine needs longer: --wait 5m/,
  );
  assert.deepEqual(await mine(), pristine);
});

test('a benchmark that is ended by a signal takes its cluster down before it goes', async () => {
  const benchmark = join(import.meta.dirname, '../bench/run.ts');
  const child = spawn(process.execPath, [benchmark, 'trace'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const began = eventually('its cluster to run', async () => processesIn('knit/bench-trace/server').length > 0);
  await Promise.race([began, ended.then((code) => assert.fail(`it ended with ${code} before its cluster ran`))]);
  child.kill('SIGTERM');
  assert.equal(await ended, 143);
  const left = await machineState('bench-trace');
  assert.deepEqual(
    left.filter((line) => line.includes('bench-trace')),
    [],
  );
});

test('a second command is told who works on the cluster, and a dead one holds nobody up', async () => {
  const child = spawn(knitCommand, ['up', '--name', name, '--nodes', '1', '--no-kubeconfig'], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const isLocked = () => lstatSync(paths.lock, { throwIfNoEntry: false }) !== undefined;
  await eventually('the lock', async () => isLocked());
  const busy = await knit('down', '-o', 'json');
  assert.equal(busy.code, 1);
  const { error } = JSON.parse(busy.stdout);
  assert.equal(error.code, 'CLUSTER_BUSY');
  assert.match(error.message, new RegExp(`works on the cluster ${name} \\(pid ${child.pid}\\)`));
  child.kill('SIGKILL');
  await ended;
  assert.equal(isLocked(), true);
  const { code, stderr } = await knit('down');
  assert.equal(code, 0, stderr);
});

test('state of a newer knit is left alone, by its own commands and by others, until it is removed', async () => {
  assert.equal((await knit(...upOneNode)).code, 0);
  await knit('down', '--keep');
  const config = JSON.parse(readFileSync(paths.config, 'utf8'));
  const newer = JSON.stringify({ ...config, stateVersion: 99 });
  writeFileSync(paths.config, newer);
  for (const words of [['up'], ['status'], ['node', 'list'], ['kubeconfig']]) {
    const { code, stderr } = await knit(...words);
    assert.equal(code, 1);
    assert.match(stderr, /made by a newer knit \(state 99, this one knows \d+\)\n.*knit down --name t-trouble/);
  }
  assert.equal(readFileSync(paths.config, 'utf8'), newer);
  const other = await tryKnit([...upOneNode, '--name', `${name}-2`]);
  assert.equal(other.code, 0, other.stderr);
  await tryKnit(['down', '--name', `${name}-2`]);
});

test('a broken kubeconfig is refused before anything is made, and does not hold up the end', async () => {
  for (const text of ['clusters: [', 'just words', 'contexts: { a: b }']) {
    const file = kubeconfigFile(text);
    const { code, stderr } = await tryKnit(['up', '--nodes', '1'], { env: { KNIT_NAME: name, KUBECONFIG: file } });
    assert.equal(code, 1);
    assert.match(stderr, /kubeconfig is no kubeconfig: .+\n.*--no-kubeconfig/);
    assert.equal(readFileSync(file, 'utf8'), text);
    assert.deepEqual(await mine(), pristine);
  }
  assert.equal((await knit(...upOneNode)).code, 0);
  const down = await tryKnit(['down'], { env: { KNIT_NAME: name, KUBECONFIG: kubeconfigFile('clusters: [') } });
  assert.equal(down.code, 0);
  assert.match(down.stderr, /the context knit-t-trouble could not be removed: .*is no kubeconfig/);
});

test('the context is written beside what the kubeconfig has, works, and goes with the cluster', async () => {
  const before = {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: { colors: true },
    clusters: [{ name: 'work', cluster: { server: 'https://work.example' } }],
    users: [{ name: 'me', user: { token: 'x' } }],
    contexts: [{ name: 'work', context: { cluster: 'work', user: 'me' } }],
    'current-context': 'work',
  };
  const file = kubeconfigFile(JSON.stringify(before));
  const link = join(scratch, 'link');
  symlinkSync(file, link);
  const env = { KNIT_NAME: name, KUBECONFIG: link };
  const up = await tryKnit(['up', '--nodes', '1', '--api-port', `${await freePort()}`], { env });
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /context +knit-t-trouble in \S+kubeconfig/);
  const during = parse(readFileSync(file, 'utf8'));
  assert.deepEqual(
    during.contexts.map((each: { name: string }) => each.name),
    ['work', `knit-${name}`],
  );
  assert.equal(during['current-context'], `knit-${name}`);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const kubectlEnv = { ...process.env, ...env, HOME: scratch };
  assert.equal(await run(kubectlCommand, ['get', 'nodes', '-o', 'name'], { env: kubectlEnv }), 'node/node-1\n');
  assert.equal((await tryKnit(['down', '--keep'], { env })).code, 0);
  assert.equal((await tryKnit(['up'], { env })).code, 0);
  assert.equal(parse(readFileSync(file, 'utf8')).contexts.length, 2);
  assert.equal((await tryKnit(['down'], { env })).code, 0);
  assert.deepEqual(parse(readFileSync(file, 'utf8')), { ...before, 'current-context': '' });
});

test('under sudo the context is written for the user who called, who owns it', async () => {
  // A name service that knows one more person, so that the machine's own users stay as they are.
  const home = join(scratch, 'home');
  const bin = join(scratch, 'bin');
  for (const folder of [home, bin]) mkdirSync(folder);
  writeFileSync(
    join(bin, 'getent'),
    `#!/bin/sh\n[ "$*" = "passwd ada" ] && echo "ada:x:65534:65534::${home}:/bin/sh"\n`,
  );
  chmodSync(join(bin, 'getent'), 0o755);
  const env = { KNIT_NAME: name, SUDO_USER: 'ada', PATH: `${bin}:${process.env.PATH}`, KUBECONFIG: '' };
  const { code, stdout, stderr } = await tryKnit(['up', '--nodes', '1'], { env });
  assert.equal(code, 0, stderr);
  const file = join(home, '.kube/config');
  assert.ok(stdout.includes(`context     knit-${name} in ${file}`), stdout);
  for (const path of [file, join(home, '.kube')]) {
    const { uid, gid } = statSync(path);
    assert.deepEqual([uid, gid], [65534, 65534], path);
  }
  await tryKnit(['down'], { env });
  assert.equal(existsSync(file), false);
});
