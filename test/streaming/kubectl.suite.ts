import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../../src/base/wait.ts';
import { startWorld, type World } from './world.ts';

let world: World;
let scratch: string;
const program = path.join(import.meta.dirname, '../../dist/tools/kubectl');

before(async () => {
  world = await startWorld();
  scratch = path.join(world.containerd.folder, 'kubectl');
  mkdirSync(scratch);
  await world.runPod('web', [{ name: 'c', command: ['nc', '-ll', '-p', '8080', '-e', 'cat'] }]);
});
after(() => world.stop());

/** The two ways kubectl has for streams: WebSockets, and SPDY for servers that have none. */
const ways = [
  { way: 'WebSocket', env: {} },
  { way: 'SPDY', env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' } },
] as const;
let env: Readonly<Record<string, string>> = {};

function environment(): NodeJS.ProcessEnv {
  return { ...env, PATH: process.env.PATH, HOME: scratch, KUBECONFIG: world.kubeconfig };
}

function start(args: readonly string[]): ChildProcess {
  return spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment(),
    timeout: 60_000,
  });
}

async function kubectl(args: readonly string[], input?: Buffer) {
  const child = start(args);
  child.stdin?.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')]);
  return { stdout, stderr, code };
}

for (const { way, env: variables } of ways) {
  describe(`over ${way}`, () => {
    before(() => {
      env = variables;
    });

    test('kubectl exec: output and exit code', async () => {
      const answer = await kubectl(['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3']);
      assert.deepEqual(answer, { stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 3\n', code: 3 });
    });

    test('kubectl exec -i: what stands on standard input, to its end', async () => {
      const answer = await kubectl(['exec', '-i', 'web', '--', 'wc', '-c'], Buffer.alloc(1_000_000));
      assert.equal(answer.stdout, '1000000\n');
    });

    test('kubectl exec -it: a terminal of the same size', async () => {
      const command = `stty rows 31 cols 101; ${program} exec -it web -- sh -c 'until stty size 2>/dev/null | grep "31 101"; do :; done; exit 4'`;
      const terminal = spawn('script', ['-qec', command, '/dev/null'], { env: environment(), timeout: 60_000 });
      const [output, [code]] = await Promise.all([text(terminal.stdout), once(terminal, 'exit')]);
      assert.match(output, /31 101/);
      assert.equal(code, 4);
    });

    test('kubectl exec in a container or pod that is not there', async () => {
      const container = await kubectl(['exec', 'web', '-c', 'nope', '--', 'true']);
      assert.match(container.stderr, /container nope (is not valid for|not found in) pod web/);
      const pod = await kubectl(['exec', 'nope', '--', 'true']);
      assert.equal(pod.stderr, 'Error from server (NotFound): pods "nope" not found\n');
    });

    test('kubectl cp: 30 MB there and back', async () => {
      const here = path.join(scratch, 'big');
      const back = path.join(scratch, 'back');
      writeFileSync(here, randomBytes(30_000_000));
      assert.equal((await kubectl(['cp', here, 'web:/tmp/big'])).code, 0);
      assert.equal((await kubectl(['cp', 'web:/tmp/big', back])).code, 0);
      const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
      assert.equal(digest(back), digest(here));
    });

    test('kubectl attach and logs -f see what the process writes, until it ends', async () => {
      const reader = `reader-${way.toLowerCase()}`;
      const script = 'while read x; do echo got $x; test $x = end && exit; done';
      await world.runPod(reader, [{ name: 'c', command: ['sh', '-c', script], stdin: true }]);
      const logs = start(['logs', '-f', reader]);
      const log = text(logs.stdout!);
      const attach = start(['attach', '-i', reader]);
      let output = '';
      attach.stdout?.on('data', (chunk) => {
        output += chunk;
      });
      // A runtime may begin to carry the input before the output, and lets go of both where the input ends.
      const hears = () => attach.stdin?.write('one\n') && output.includes('got one\n');
      await waitFor(hears, { what: 'the process to be heard', timeoutMs: 30_000 });
      attach.stdin?.write('end\n');
      await once(attach, 'close');
      assert.match(output, /got end\n$/);
      assert.match(await log, /got end\n$/);
    });

    test('kubectl port-forward: connections at once, and a port that refuses', async () => {
      const forward = start(['port-forward', 'web', ':8080', ':81']);
      const lines = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) forward[name]?.on('data', (chunk) => (lines[name] += chunk));
      const said = async (name: 'stdout' | 'stderr', pattern: RegExp) => {
        while (!pattern.test(lines[name])) await once(forward[name]!, 'data', { signal: AbortSignal.timeout(30_000) });
        return pattern.exec(lines[name])!;
      };
      const [, port] = await said('stdout', /127\.0\.0\.1:(\d+) -> 8080/);
      const echo = async (payload: Buffer) => {
        const socket = connect(Number(port), '127.0.0.1');
        socket.write(payload);
        const chunks: Buffer[] = [];
        for (let size = 0; size < payload.length; ) {
          const [chunk] = (await once(socket, 'data')) as [Buffer];
          chunks.push(chunk);
          size += chunk.length;
        }
        socket.destroy();
        return Buffer.concat(chunks);
      };
      const payloads = [1, 2, 3, 4].map((byte) => Buffer.alloc(200_000, byte));
      assert.deepEqual(await Promise.all(payloads.map(echo)), payloads);
      const [, refused] = await said('stdout', /127\.0\.0\.1:(\d+) -> 81\n/);
      connect(Number(refused), '127.0.0.1').on('error', () => undefined);
      await said('stderr', /connection refused/);
      forward.kill();
      await once(forward, 'exit');
    });
  });
}
