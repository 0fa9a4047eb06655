import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { writeDockerArchive } from './support/docker-archive.ts';
import { knitCommand, pathWithout, tryKnit } from './support/knit.ts';

/** Every command as a person types it, on one cluster of two nodes. */
const name = 't-cli';
const scratch = mkdtempSync(join(tmpdir(), 'knit-test-cli-'));
let cluster: TestCluster;

const knit = (...args: readonly string[]) => tryKnit(args, { env: { KNIT_NAME: name } });

before(async () => {
  cluster = await startCluster(name, ['--nodes', '2']);
  await cluster.kubectl(['run', 'web', '--image=knit.dev/lab:1', '--labels=app=web']);
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=110s']);
});
after(async () => {
  await cluster?.down();
  rmSync(scratch, { recursive: true, force: true });
});

test('knit up says that a running cluster runs, and how to look at it', async () => {
  const { code, stderr } = await knit('up');
  assert.equal(code, 1);
  assert.match(stderr, /the cluster t-cli runs already[\s\S]*knit status --name t-cli/);
});

test('knit status draws what stands where', async () => {
  // A cluster is up when one of its DNS pods is.
  await eventually('both DNS pods', async () => /\(2 of 2 ready\)/.test((await knit('status')).stdout));
  const { code, stdout } = await knit('status');
  assert.equal(code, 0);
  const { addresses, nodes } = cluster.config;
  assert.match(stdout, new RegExp(`^${name} · running · API server https://127.0.0.1:${cluster.config.apiPort}`));
  assert.match(stdout, new RegExp(`fabric .*${addresses.fabric}.*user-mode NAT`));
  assert.match(stdout, /outside clients: alice/);
  for (const node of nodes) assert.match(stdout, new RegExp(`── ${node.name} +${node.address} .*ready`));
  assert.match(stdout, /DNS \S+ \(2 of 2 ready\)/);
  assert.doesNotMatch(stdout, /default\/web/);
  assert.match((await knit('status', '--pods')).stdout, /default\/web +10\.\d+\.\d+\.\d+ +Running/);
});

test('knit status -o json is the same as a value', async () => {
  const status = JSON.parse((await knit('status', '-o', 'json')).stdout);
  assert.deepEqual(
    status.nodes.map((node: { name: string; ready: boolean }) => [node.name, node.ready]),
    [
      ['node-1', true],
      ['node-2', true],
    ],
  );
  assert.equal(status.config.name, name);
  assert.deepEqual(status.dns, { ready: 2, all: 2 });
});

test('a cluster that does not exist is told from one that does, with the way to make it', async () => {
  for (const words of [['status'], ['kubeconfig'], ['kubectl', 'get', 'nodes'], ['node', 'list'], ['image', 'list']]) {
    const { code, stderr } = await tryKnit(words, { env: { KNIT_NAME: 't-none' } });
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, /there is no cluster named t-none[\s\S]*knit up --name t-none/, words.join(' '));
  }
});

test('errors are one JSON object where JSON was asked for', async () => {
  for (const words of [['-o', 'json'], ['-ojson'], ['--output=json']]) {
    const { code, stdout, stderr } = await tryKnit(['status', '--name', 't-none', ...words]);
    assert.equal(code, 1);
    assert.equal(stderr, '');
    const { error } = JSON.parse(stdout);
    assert.equal(error.code, 'CLUSTER_UNKNOWN');
    assert.match(error.hint, /knit up --name t-none/);
  }
});

test('a wrong option or command is refused with what is meant', async () => {
  const cases: [string[], RegExp][] = [
    [['statsu'], /Did you mean status\?/],
    [['up', '--nodes', 'many'], /whole number from 1 to 100/],
    [['up', '--nodes', '0'], /whole number from 1 to 100/],
    [['status', '-o', 'xml'], /text, json/],
    [['status', '--name', 'Not_A_Name'], /Not_A_Name/],
    [['completion', 'tcsh'], /bash, zsh, fish/],
  ];
  for (const [words, message] of cases) {
    const { code, stderr } = await tryKnit(words);
    assert.notEqual(code, 0, words.join(' '));
    assert.match(stderr, message, words.join(' '));
  }
});

test('knit doctor finds this machine fit, and changes nothing', async () => {
  const { code, stdout } = await knit('doctor');
  assert.equal(code, 0);
  assert.match(stdout, /✓ +namespaces, veth, nftables NAT +work/);
  assert.match(stdout, /A cluster can start here/);
});

test('knit doctor and knit up name a missing command, and the package that has it', async () => {
  const env = { KNIT_NAME: 't-cli-unfit', PATH: pathWithout(join(scratch, 'no-slirp'), 'slirp4netns') };
  const doctor = await tryKnit(['doctor'], { env });
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /✗ +slirp4netns +not installed +→ .*apt-get install slirp4netns/);
  const up = await tryKnit(['up'], { env });
  assert.equal(up.code, 1);
  assert.match(up.stderr, /slirp4netns: not installed[\s\S]*apt-get install slirp4netns/);
  assert.equal(existsSync('/run/knit/t-cli-unfit') || existsSync('/var/lib/knit/t-cli-unfit'), false);
});

test('who is not root is told to use sudo', async () => {
  // This clone may stand where only root may look: it is seen at another place too.
  const here = join(import.meta.dirname, '..');
  const enter = `mount --bind ${here} /mnt && exec setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/bin/knit "$@"`;
  const nobody = (words: readonly string[]) =>
    tryRun('unshare', ['--mount', 'sh', '-c', enter, 'knit', ...words], {
      env: { ...process.env, HOME: '/nonexistent', KNIT_NAME: name },
    });
  const doctor = await nobody(['doctor']);
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /✗ +root +no +→ .*sudo/);
  for (const words of [['up'], ['down'], ['status'], ['kubeconfig'], ['node', 'stop', 'node-1'], ['image', 'list']]) {
    const { code, stderr } = await nobody(words);
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, /root[\s\S]*sudo/, words.join(' '));
  }
  assert.match((await nobody(['exec', 'node/node-1', '--', 'true'])).stderr, /needs root[\s\S]*sudo/);
});

test('knit image load takes an OCI archive and a docker archive to all nodes, or to some', async () => {
  const archive = join(scratch, 'docker.tar');
  writeDockerArchive(archive, 'knit.test/from-docker:1');
  const loaded = await knit('image', 'load', archive, join(import.meta.dirname, '../dist/images/lab.tar'));
  assert.equal(loaded.code, 0, loaded.stderr);
  assert.match(loaded.stderr, /Loading \S+docker.tar on node-1, node-2/);
  for (const image of ['knit.dev/lab:1', 'knit.test/from-docker:1'])
    assert.ok(loaded.stdout.split('\n').includes(image), loaded.stdout);
  writeDockerArchive(archive, 'knit.test/one-node:1');
  const one = await knit('image', 'load', '--node', 'node-2', '-o', 'json', '--', archive);
  assert.deepEqual(JSON.parse(one.stdout), { images: ['knit.test/one-node:1'], nodes: ['node-2'] });
  const { stdout } = await knit('image', 'list');
  assert.match(stdout, /knit\.test\/from-docker:1 +\S+ \S+ +all nodes/);
  assert.match(stdout, /knit\.test\/one-node:1 +\S+ \S+ +node-2/);
});

test('knit image load says what is wrong with a file', async () => {
  const broken = join(scratch, 'broken.tar');
  writeFileSync(broken, 'no archive');
  const cases: [string[], RegExp][] = [
    [[broken], /broken\.tar could not be loaded: .+\n.*→.*docker save/],
    [[join(scratch, 'missing.tar')], /missing\.tar is not there/],
    [['--node', 'node-9', '--', broken], /no node named node-9\n.*node-1, node-2/],
  ];
  for (const [words, message] of cases) {
    const { code, stderr } = await knit('image', 'load', ...words);
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
});

test('knit exec runs a command of this machine in a node, a pod and a client, and gives its exit code', async () => {
  assert.equal((await knit('exec', 'node/node-2', '--', 'hostname')).stdout.trim(), 'node-2');
  const podIP = await cluster.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}']);
  for (const target of ['pod/web', 'pod/default/web'])
    assert.match((await knit('exec', target, '--', 'ip', '-4', 'addr', 'show', 'eth0')).stdout, new RegExp(podIP));
  const { address } = cluster.config.clients[0]!;
  assert.match((await knit('exec', 'client/alice', '--', 'ip', '-4', 'addr')).stdout, new RegExp(address));
  assert.equal((await knit('exec', 'pod/web', '--', 'sh', '-c', 'exit 7')).code, 7);
  assert.equal((await knit('exec', 'node/node-1', '--', 'sh', '-c', 'kill -TERM $$')).code, 143);
  assert.equal((await knit('exec', 'client/alice', '--', 'no-such-command')).code, 127);
  const cat = await tryKnit(['exec', 'pod/web', '--', 'cat'], { env: { KNIT_NAME: name }, input: 'through\n' });
  assert.equal(cat.stdout, 'through\n');
});

test('knit exec in a pod resolves names as the pod does', async () => {
  const { stdout } = await knit('exec', 'pod/web', '--', 'getent', 'hosts', 'kubernetes');
  assert.match(stdout, /kubernetes\.default\.svc\.cluster\.local/);
});

test('knit exec says which targets there are', async () => {
  const cases: [string, RegExp][] = [
    ['node/node-9', /no node named node-9\n.*node-1, node-2/],
    ['client/bob', /no client named bob\n.*alice/],
    ['pod/none', /pods "none" not found/],
    ['service/web', /names nothing\n.*node\/NAME, client\/NAME, pod\/NAME/],
  ];
  for (const [target, message] of cases) {
    const { code, stderr } = await knit('exec', target, '--', 'true');
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
});

test('knit node add, list, stop, start and delete', async () => {
  const added = await knit('node', 'add', '--label', 'disk=fast');
  assert.equal(added.code, 0, added.stderr);
  assert.match(added.stdout, /node-3 is ready at 10\.89\.\d+\.13/);
  assert.equal(await cluster.kubectl(['get', 'nodes', '-l', 'disk=fast', '-o', 'name']), 'node/node-3\n');
  assert.match((await knit('node', 'list')).stdout, /node-3 +running +ready +10\.89\.\d+\.13 +198\.18\.\d+\.13 +10\./);
  assert.equal((await knit('node', 'stop', 'node-3')).code, 0);
  const rows = JSON.parse((await knit('node', 'list', '-o', 'json')).stdout);
  assert.deepEqual(
    rows.map((row: { running: boolean }) => row.running),
    [true, true, false],
  );
  assert.match((await knit('exec', 'node/node-3', '--', 'true')).stderr, /does not run\n.*knit node start node-3/);
  assert.match((await knit('image', 'load', '--node', 'node-3', '--', 'x.tar')).stderr, /node-3 does not run/);
  assert.equal((await knit('node', 'start', 'node-3')).code, 0);
  assert.equal((await knit('node', 'delete', 'node-3')).code, 0);
  assert.equal(await cluster.kubectl(['get', 'nodes', '-o', 'name']), 'node/node-1\nnode/node-2\n');
  assert.doesNotMatch((await run('ip', ['netns'])).toString(), /knit-t-cli\.node-3/);
});

test('knit node refuses names that are unknown, taken or none', async () => {
  for (const verb of ['stop', 'start', 'delete']) {
    const { code, stderr } = await knit('node', verb, 'node-9');
    assert.equal(code, 1);
    assert.match(stderr, /no node named node-9\n.*node-1, node-2/, verb);
  }
  assert.match((await knit('node', 'add', 'node-1')).stderr, /a node named node-1 already/);
  assert.match((await knit('node', 'add', 'Bad_Name')).stderr, /"Bad_Name": must be lower-case/);
  assert.match((await knit('node', 'add', 'x', '--label', 'a=b c')).stderr, /labels\.a: "b c"/);
  assert.equal(JSON.parse((await knit('node', 'list', '-o', 'json')).stdout).length, 2);
});

test('knit kubeconfig prints one that works alone, and knit kubectl needs none', async () => {
  const file = join(scratch, 'alone');
  writeFileSync(file, (await knit('kubeconfig')).stdout, { mode: 0o600 });
  const tools = join(import.meta.dirname, '../dist/tools');
  const env = { ...process.env, KUBECONFIG: file, PATH: `${tools}:${process.env.PATH}`, KNIT_NAME: name };
  assert.equal((await run('kubectl', ['config', 'current-context'], { env })).trim(), `knit-${name}`);
  assert.match(await run('kubectl', ['get', 'nodes', '-o', 'name'], { env }), /node\/node-1/);
  const through = await tryKnit(['kubectl', 'get', 'pod', 'web', '-o', 'name'], { env });
  assert.equal(through.stdout, 'pod/web\n');
  assert.equal((await tryKnit(['kubectl', 'get', 'pod', 'none'], { env })).code, 1);
});

test('knit kubectl says how to get kubectl where there is none', async () => {
  const env = { KNIT_NAME: name, PATH: pathWithout(join(scratch, 'no-kubectl'), 'kubectl') };
  // Without bin/knit, which also looks where `make` puts one.
  const program = join(import.meta.dirname, '../dist/knit.js');
  const { code, stderr } = await tryRun(process.execPath, [program, 'kubectl', 'get', 'nodes'], {
    env: { ...process.env, ...env },
  });
  assert.equal(code, 1);
  assert.match(stderr, /kubectl is not installed\n.*kubernetes\.io\/docs\/tasks\/tools/);
});

test('knit version', async () => {
  assert.match((await knit('version')).stdout, /^knit \d+\.\d+\.\d+ · Kubernetes API v?1\.\d+\S* · Node\.js v24\./);
  assert.deepEqual(Object.keys(JSON.parse((await knit('version', '-o', 'json')).stdout)), [
    'knit',
    'kubernetes',
    'node',
  ]);
});

test('the completion script completes commands and options in bash, and is valid in other shells', async () => {
  const script = `source <("${knitCommand}" completion bash)
    complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _knit; echo "\${COMPREPLY[*]}"; }
    complete_words knit st; complete_words knit node --name demo st; complete_words knit up --up
    complete -p knit`;
  const lines = (await run('bash', ['-c', script])).split('\n');
  assert.deepEqual(lines.slice(0, 3), ['status', 'stop start', '--uplink']);
  assert.match(lines[3]!, /_knit/);
  for (const shell of ['zsh', 'fish']) {
    const file = join(scratch, shell);
    writeFileSync(file, (await knit('completion', shell)).stdout);
    assert.match(readFileSync(file, 'utf8'), /knit/);
    if ((await tryRun('sh', ['-c', `command -v ${shell}`])).code === 0) await run(shell, ['-n', file]);
  }
});

test('knit export logs gathers logs, objects and kernel state, and no key or Secret', async () => {
  const secret = 'hush-hush-7f3a';
  await cluster.kubectl(['create', 'secret', 'generic', 'hush', `--from-literal=password=${secret}`]);
  await eventually('the pod to have written a log', async () => (await cluster.kubectl(['logs', 'web'])) !== '');
  const archive = join(scratch, 'deep/report.tar.gz');
  const { code, stdout } = await knit('export', 'logs', archive);
  assert.equal(code, 0);
  assert.equal(stdout.trim(), archive);
  await run('tar', ['-C', scratch, '-xzf', archive]);
  const files = readdirSync(join(scratch, 'report'), { recursive: true, encoding: 'utf8' });
  for (const part of [
    'cluster.json',
    'doctor.json',
    'status.json',
    'logs/server.log',
    'logs/node-1/agent.log',
    'objects/pods.json',
    'objects/events.json',
    'network/knit-t-cli.fabric/nft-a-list-ruleset.txt',
    'network/knit-t-cli.node-1/ip-d-address.txt',
  ])
    assert.ok(files.includes(part), part);
  assert.ok(
    files.some((file) => /^pods\/node-\d\/.*default_web_.*\.log$/.test(file)),
    'log of the pod',
  );
  const text = await run('grep', ['-rhE', '.', join(scratch, 'report')]);
  assert.match(text, /"name":"web"/);
  for (const hidden of ['PRIVATE KEY', secret, Buffer.from(secret).toString('base64')])
    assert.equal(text.includes(hidden), false, hidden);
});

test('a stopped cluster is shown as stopped, and what needs it says how to start it', async () => {
  await cluster.knit(['down', '--keep']);
  const { code, stdout } = await knit('status');
  assert.equal(code, 0);
  assert.match(stdout, /t-cli · the cluster is stopped/);
  assert.match(stdout, /node-1 .*stopped/);
  for (const words of [
    ['exec', 'node/node-1', '--', 'true'],
    ['image', 'list'],
    ['node', 'add'],
  ])
    assert.match((await knit(...words)).stderr, /t-cli does not run\n.*knit up --name t-cli/);
  assert.match((await knit('up', '--nodes', '3')).stderr, /exists: its state was kept[\s\S]*without options/);
});
