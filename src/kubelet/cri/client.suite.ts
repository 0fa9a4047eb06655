import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestContainerd, type TestContainerd, testCgroup, testImage } from '../testing.ts';
import { isRuntimeNotFound } from './client.ts';
import * as m from './messages.ts';

let containerd: TestContainerd;
before(async () => {
  containerd = await startTestContainerd();
});
after(() => containerd.stop());

const config = (): m.PodSandboxConfig => ({
  metadata: { name: 'web', uid: 'u1', namespace: 'shop', attempt: 0 },
  hostname: 'web',
  logDirectory: `${containerd.folder}/logs`,
  labels: { 'io.kubernetes.pod.uid': 'u1' },
  linux: { cgroupParent: testCgroup(), securityContext: { namespaceOptions: { pid: m.namespaceMode.container } } },
});

test('the runtime tells its version and that it is ready', async () => {
  assert.equal((await containerd.cri.version()).runtimeName, 'containerd');
  const { status } = await containerd.cri.status();
  assert.deepEqual(
    status?.conditions.map(({ type, status }) => [type, status]),
    [
      ['RuntimeReady', true],
      ['NetworkReady', true],
    ],
  );
});

test('a sandbox gets an address, and its container runs a command and is seen to end', async () => {
  const { cri } = containerd;
  const watching = new AbortController();
  const exits = cri.exits(watching.signal)[Symbol.asyncIterator]();
  const exited = exits.next();
  const sandbox = await cri.runPodSandbox(config());
  const status = await cri.podSandboxStatus(sandbox);
  assert.match(status.network?.ip ?? '', /^10\.88\.0\./);
  assert.equal((await cri.listPodSandboxes({ 'io.kubernetes.pod.uid': 'u1' })).length, 1);
  assert.equal((await cri.listPodSandboxes({ 'io.kubernetes.pod.uid': 'u2' })).length, 0);

  const image = await cri.imageStatus(testImage);
  assert.ok(image);
  const container = await cri.createContainer(
    sandbox,
    {
      metadata: { name: 'c', attempt: 0 },
      image: { image: image.id },
      command: ['sh', '-c', 'sleep 100'],
      logPath: 'c.log',
    },
    config(),
  );
  await cri.startContainer(container);
  const answer = await cri.execSync(container, ['sh', '-c', 'echo out; echo err >&2; exit 3'], 5);
  assert.deepEqual([answer.stdout.toString(), answer.stderr.toString(), answer.exitCode], ['out\n', 'err\n', 3]);
  await cri.stopContainer(container, 0);
  assert.equal((await exited).value, container);
  assert.equal((await cri.containerStatus(container)).exitCode, 137);
  await exits.return?.(undefined);
  watching.abort();
});

test('what is not there is told apart from what failed', async () => {
  await assert.rejects(containerd.cri.containerStatus('nope'), isRuntimeNotFound);
  assert.equal(await containerd.cri.imageStatus('docker.io/library/nope:1'), undefined);
});

test('a runtime that was killed is found again by the next call', async () => {
  await containerd.kill();
  await assert.rejects(containerd.cri.version());
  await containerd.start();
  assert.equal((await containerd.cri.version()).runtimeName, 'containerd');
});
