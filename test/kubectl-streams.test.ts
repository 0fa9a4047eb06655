import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from './support/cluster.ts';
import { type KubectlCluster, startKubectlCluster, startOnTerminal } from './support/kubectl.ts';

let on: KubectlCluster;
const kubectl: KubectlCluster['kubectl'] = (...args) => on.kubectl(...args);
const refused: KubectlCluster['refused'] = (...args) => on.refused(...args);

/** Says a line of each container, then whatever is written into the file /say. */
const talk = (name: string) => ({
  name,
  image: 'knit.dev/lab:1',
  command: ['sh', '-c', `trap 'exit 0' TERM; echo ${name} one; echo ${name} two; touch /say; tail -f /say & wait`],
});

before(async () => {
  on = await startKubectlCluster('t-kc-stream');
  await on.cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'talker', labels: { app: 'talk' } },
    spec: { containers: [talk('left'), talk('right')] },
  });
  await kubectl('create deployment web --image=knit.dev/lab:1 --replicas=2 --port=8080');
  await kubectl('expose deployment web --port=80 --target-port=8080');
  await kubectl('wait --for=condition=Ready pod/talker --timeout=110s');
  for (const container of ['left', 'right']) {
    await eventually(`${container} to talk`, async () =>
      (await kubectl(`logs talker -c ${container}`)).includes('two'),
    );
  }
  await kubectl('rollout status deployment/web --timeout=110s');
});
after(() => on?.stop());

test('logs shows a container, the default one where none is named, or all', async () => {
  const { stdout, stderr } = await on.cluster.tryKubectl(['logs', 'talker']);
  assert.equal(stdout, 'left one\nleft two\n');
  assert.equal(stderr, 'Defaulted container "left" out of: left, right\n');
  assert.equal(await kubectl('logs talker -c right'), 'right one\nright two\n');
  // Which container comes first is chance: kubectl goes through a map of them.
  const all = await kubectl('logs talker --all-containers');
  assert.match(all, /^(left one\nleft two\nright one\nright two\n|right one\nright two\nleft one\nleft two\n)$/);
  assert.match(await refused('logs talker -c middle'), /container middle is not valid for pod talker/);
});

test('logs takes a tail, a time, timestamps and a label', async () => {
  assert.equal(await kubectl('logs talker -c left --tail=1'), 'left two\n');
  assert.equal(await kubectl('logs talker -c left --since=1h'), 'left one\nleft two\n');
  assert.equal(await kubectl(`logs talker -c left --since-time=${new Date(Date.now() + 60_000).toISOString()}`), '');
  const stamped = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z left one\n\d{4}\S+Z left two\n$/;
  assert.match(await kubectl('logs talker -c left --timestamps'), stamped);
  const prefixed = await kubectl('logs -l app=talk --all-containers --prefix --tail=1');
  // Containers are read side by side: whose line comes first is chance.
  assert.deepEqual(prefixed.trim().split('\n').toSorted(), [
    '[pod/talker/left] left two',
    '[pod/talker/right] right two',
  ]);
});

test('logs -f goes on with what is said later', async () => {
  const following = on.start('logs -f talker -c left');
  try {
    await following.until(/left two\n/);
    await kubectl(['exec', 'talker', '-c', 'left', '--', 'sh', '-c', 'echo said later >> /say']);
    await following.until(/said later\n/);
  } finally {
    await following.stop();
  }
});

test('logs --previous shows the container before the restart', async () => {
  assert.equal(
    await refused('logs talker -c left --previous'),
    'Error from server (BadRequest): previous terminated container "left" in pod "talker" not found\n',
  );
  const script = 'echo life; sleep 0.5; exit 1';
  await kubectl(['run', 'reborn', '--image=knit.dev/lab:1', '--command', '--', 'sh', '-c', script]);
  await kubectl('wait --for=jsonpath={.status.containerStatuses[0].restartCount}=1 pod/reborn --timeout=110s');
  assert.equal(await kubectl('logs reborn --previous'), 'life\n');
  await kubectl('delete pod reborn --force --grace-period=0');
});

test('logs of a container that waits says for what', async () => {
  await on.cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'waiting' },
    spec: {
      containers: [{ name: 'c', image: 'knit.dev/lab:1', volumeMounts: [{ name: 'none', mountPath: '/x' }] }],
      volumes: [{ name: 'none', configMap: { name: 'nowhere' } }],
    },
  });
  await kubectl(
    'wait --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ContainerCreating pod/waiting --timeout=110s',
  );
  assert.equal(
    await refused('logs waiting'),
    'Error from server (BadRequest): container "c" in pod "waiting" is waiting to start: ContainerCreating\n',
  );
  await kubectl('delete pod waiting --force --grace-period=0');
});

test('exec passes input, output, errors and the exit code on', async () => {
  assert.equal(await kubectl('exec -i talker -c left -- cat', 'in and out\n'), 'in and out\n');
  const long = 'a'.repeat(20_000);
  assert.equal(await kubectl(['exec', 'talker', '-c', 'left', '--', 'echo', long]), `${long}\n`);
  const both = await on.cluster.tryKubectl([
    'exec',
    'talker',
    '-c',
    'left',
    '--',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 7',
  ]);
  assert.deepEqual([both.code, both.stdout], [7, 'out\n']);
  assert.equal(both.stderr, 'err\ncommand terminated with exit code 7\n');
  assert.match(
    await refused('exec talker -c left -- nonsense'),
    /exec: "nonsense": executable file not found in \$PATH/,
  );
});

test('exec -it gives a terminal of the right size that obeys its keys', async () => {
  const shell = startOnTerminal(on, 'exec -it talker -c left -- sh');
  try {
    await shell.until(/# /);
    // Nothing says whether a terminal has its size before its shell reads.
    await eventually('the size', async () => {
      shell.write('stty size\n');
      return /\b40 100\r\n/.test(shell.output());
    });
    shell.write('echo asleep; sleep 100\n');
    await shell.until(/asleep\r\n/);
    shell.write('\x03');
    await shell.until(/\^C\r?\n?.*# /s);
    shell.write('exit 5\n');
    await shell.until(/command terminated with exit code 5/);
    assert.equal(await shell.ended, 5);
  } finally {
    await shell.stop();
  }
});

test('attach joins the main process and what it says', async () => {
  const script = 'while read line; do echo "heard $line"; done';
  await kubectl([
    'run',
    'listener',
    '--image=knit.dev/lab:1',
    '-i',
    '--restart=Never',
    '--attach=false',
    '--command',
    '--',
    'sh',
    '-c',
    script,
  ]);
  await kubectl('wait --for=condition=Ready pod/listener --timeout=110s');
  const attached = on.start('attach -i listener');
  try {
    await attached.until(/command prompt/);
    attached.write('me\n');
    await attached.until(/heard me\n/);
  } finally {
    await attached.stop();
  }
  await kubectl('delete pod listener --force --grace-period=0');
});

test('cp takes files and folders both ways', async () => {
  const from = join(on.folder, 'from');
  mkdirSync(join(from, 'deep'), { recursive: true });
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  writeFileSync(join(from, 'bytes'), bytes);
  writeFileSync(join(from, 'deep/file'), 'deep\n');
  await kubectl(['cp', from, 'talker:/tmp/folder', '-c', 'left']);
  assert.equal(await kubectl('exec talker -c left -- cat /tmp/folder/deep/file'), 'deep\n');
  const back = join(on.folder, 'back');
  await kubectl(['cp', 'talker:/tmp/folder', back, '-c', 'left']);
  assert.deepEqual(readFileSync(join(back, 'bytes')), bytes);
  assert.equal(readFileSync(join(back, 'deep/file'), 'utf8'), 'deep\n');
  await kubectl(['cp', join(from, 'bytes'), 'talker:/tmp/one', '-c', 'right']);
  await kubectl(['cp', 'talker:/tmp/one', join(on.folder, 'one'), '-c', 'right']);
  assert.deepEqual(readFileSync(join(on.folder, 'one')), bytes);
  assert.equal(existsSync(join(on.folder, 'none')), false);
});

test('port-forward carries several connections to a pod and to a Service', async () => {
  const pod = (await kubectl('get pods -l app=web -o jsonpath={.items[0].metadata.name}')).trim();
  for (const [target, port] of [
    [`pod/${pod}`, 8080],
    ['service/web', 80],
  ]) {
    const forward = on.start(`port-forward ${target} :${port}`);
    try {
      const [, local] = await forward.until(/Forwarding from 127\.0\.0\.1:(\d+) -> 8080/);
      const answers = await Promise.all(
        Array.from({ length: 5 }, () =>
          fetch(`http://127.0.0.1:${local}/`, { headers: { connection: 'close' } }).then((answer) => answer.text()),
        ),
      );
      for (const answer of answers) assert.match(answer, /^pod +web-/);
    } finally {
      await forward.stop();
    }
  }
});

test('port-forward to a port where nobody listens says so', async () => {
  const forward = on.start('port-forward pod/talker :81');
  try {
    const [, local] = await forward.until(/127\.0\.0\.1:(\d+) ->/);
    await assert.rejects(fetch(`http://127.0.0.1:${local}/`));
    await forward.until(/connection refused/i);
  } finally {
    await forward.stop();
  }
});

test('debug looks into a running container, and stays to be read', async () => {
  await kubectl([
    'debug',
    'talker',
    '-c',
    'look',
    '--image=knit.dev/lab:1',
    '--target=left',
    '--',
    'sh',
    '-c',
    'ps; exit 3',
  ]);
  const state = '-o jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}';
  await eventually('the container to end', async () => (await kubectl(`get pod talker ${state}`)) === '3');
  // The target's processes, and its own.
  assert.match(await kubectl('logs talker -c look'), /echo left one.*sh -c ps/s);
  assert.match(
    await refused('debug talker -c left --image=knit.dev/lab:1'),
    /spec.ephemeralContainers\[1\].name: Duplicate value: "left"/,
  );
  assert.equal(await kubectl('get pod talker -o jsonpath={.status.phase}'), 'Running');
});

test('debug of a node shows its processes and files', async () => {
  const output = await kubectl('debug node/node-1 --image=knit.dev/lab:1 --profile=general -- cat /host/etc/hostname');
  const name = /debugging pod (\S+)/.exec(output)?.[1] ?? '';
  await kubectl(`wait --for=jsonpath={.status.phase}=Succeeded pod/${name} --timeout=110s`);
  assert.equal(await kubectl(`logs ${name}`), 'node-1\n');
});

async function talkersNode() {
  const name = await kubectl('get pod talker -o jsonpath={.spec.nodeName}');
  return on.cluster.config.nodes.find((node) => node.name === name);
}

test('the kubelet asks the API server who a caller is and what they may read', async () => {
  await kubectl('create serviceaccount scraper');
  await kubectl('create clusterrole scrape --verb=get --resource=nodes/metrics,nodes/stats');
  await kubectl('create clusterrolebinding scrape --clusterrole=scrape --serviceaccount=default:scraper');
  const node = await talkersNode();
  const ask = async (path: string, token: string) => {
    const url = `https://${node?.address}:10250${path}`;
    const told = ['-sk', '-w', '\n%{http_code}', '-H', `Authorization: Bearer ${token}`, url];
    const output = await on.cluster.knit(['exec', `node/${node?.name}`, '--', 'curl', ...told]);
    const [, body = '', status] = /^([\s\S]*)\n(\d+)$/.exec(output.trimEnd()) ?? [];
    return { status: Number(status), body };
  };
  const scraper = (await kubectl('create token scraper')).trim();
  const nobody = (await kubectl('create token default')).trim();
  const metrics = await ask('/metrics/resource', scraper);
  assert.equal(metrics.status, 200);
  assert.match(metrics.body, /^node_cpu_usage_seconds_total \d/m);
  const cadvisor = await ask('/metrics/cadvisor', scraper);
  assert.match(cadvisor.body, /^container_memory_working_set_bytes\{container="left",.*pod="talker"\} \d+ \d+$/m);
  assert.match((await ask('/metrics', scraper)).body, /^kubelet_running_pods [1-9]/m);
  assert.equal(JSON.parse((await ask('/stats/summary', scraper)).body).node.nodeName, node?.name);
  assert.deepEqual(await ask('/pods', scraper), {
    status: 403,
    body: 'Forbidden (user=system:serviceaccount:default:scraper, verb=get, resource=nodes, subresource(s)=[pods proxy])',
  });
  assert.equal((await ask('/metrics/resource', nobody)).status, 403);
  assert.deepEqual(await ask('/healthz', 'no.such.token'), { status: 401, body: 'Unauthorized' });
});

test('a node’s kubelet is read through the API server', async () => {
  const node = await talkersNode();
  const read = (path: string) => kubectl(`get --raw /api/v1/nodes/${node?.name}/proxy${path}`);
  const { kubeletconfig } = JSON.parse(await read('/configz'));
  assert.deepEqual([kubeletconfig.kind, kubeletconfig.maxPods], ['KubeletConfiguration', 110]);
  assert.equal(await read('/healthz'), 'ok');
  const { items } = JSON.parse(await read('/pods'));
  assert.ok(items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === 'talker'));
});

test('a node’s logs, and those of its pods, are read through the API server', async () => {
  const node = await talkersNode();
  const path = (rest: string) => `get --raw /api/v1/nodes/${node?.name}/proxy/logs/${rest}`;
  assert.match(await kubectl(path('')), /<a href="agent.log">agent.log<\/a>[\s\S]*<a href="pods\/">pods\/<\/a>/);
  assert.match(await kubectl(path('agent.log')), / ready /);
  const folder = /<a href="(default_talker_[^"]+)">/.exec(await kubectl(path('pods/')))?.[1] ?? '';
  assert.match(await kubectl(path(`pods/${folder}`)), /<a href="left\/">/);
  assert.match(await on.refused(path('..%2F..%2Fcluster.json')), /NotFound|could not find/);
});
