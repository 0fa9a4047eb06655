import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { endpointSlices, services } from '../../src/api/resource.ts';
import { dialUpgrade } from '../../src/base/upgrade.ts';
import { waitFor } from '../../src/base/wait.ts';
import { SpdyConnection } from '../../src/kubelet/server/spdy/connection.ts';
import { openChannels } from './channels.ts';
import { startWorld, type World } from './world.ts';

let world: World;
const pods = () => `${world.server}/api/v1/namespaces/default/pods`;

before(async () => {
  world = await startWorld();
  await world.runPod('web', [
    { name: 'shell', command: ['sh', '-c', "trap 'exit 0' TERM; echo started; while :; do sleep 1000 & wait; done"] },
  ]);
});
after(() => world.stop());

function exec(command: readonly string[], streams = 'stdout=true&stderr=true', pod = 'web') {
  const words = command.map((word) => `command=${encodeURIComponent(word)}`).join('&');
  return openChannels(`${pods()}/${pod}/exec?${words}&${streams}`, world.admin);
}

async function get(url: string): Promise<IncomingMessage> {
  const call = request(url, { ...world.admin, agent: false });
  call.end();
  const [response] = await once(call, 'response');
  return response;
}

test('exec gives both streams and the exit code', async () => {
  const client = await exec(['sh', '-c', 'echo out; echo err >&2; exit 3']);
  const status = await client.status;
  assert.equal(Buffer.concat(client.stdout).toString(), 'out\n');
  assert.equal(Buffer.concat(client.stderr).toString(), 'err\n');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.deepEqual(status.details, { causes: [{ reason: 'ExitCode', message: '3' }] });
});

test('a client of the older protocol v4.channel.k8s.io is served by the runtime itself', async () => {
  const url = `${pods()}/web/exec?command=echo&command=hi&stdout=true`;
  const client = await openChannels(url, world.admin, ['v4.channel.k8s.io']);
  assert.equal((await client.status).status, 'Success');
  assert.equal(Buffer.concat(client.stdout).toString(), 'hi\n');
});

test('exec of a command that succeeds ends with Success', async () => {
  assert.equal((await (await exec(['true'])).status).status, 'Success');
});

test('exec of a command that is not there says so', async () => {
  const status = await (await exec(['nope'])).status;
  assert.equal(status.status, 'Failure');
  assert.match(status.message ?? '', /"nope": executable file not found/);
});

test('the end of stdin reaches the command, whose output still comes', async () => {
  const client = await exec(['sh', '-c', 'cat; echo end'], 'stdin=true&stdout=true');
  await client.stdin('hello\n');
  client.closeStdin();
  assert.equal((await client.status).status, 'Success');
  assert.equal(Buffer.concat(client.stdout).toString(), 'hello\nend\n');
});

test('50 MB go through stdin and come back unchanged', async () => {
  const client = await exec(['cat'], 'stdin=true&stdout=true');
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let size = 0;
  client.ws.on('message', (data: Buffer) => {
    client.stdout.length = 0;
    if (data[0] !== 1) return;
    received.update(data.subarray(1));
    size += data.length - 1;
  });
  const chunk = Buffer.alloc(32 * 1024, 'abcdefghij\n');
  for (let i = 0; i < 1600; i += 1) {
    chunk.writeUInt32BE(i);
    sent.update(chunk);
    await client.stdin(chunk);
  }
  client.closeStdin();
  assert.equal((await client.status).status, 'Success');
  assert.equal(size, 1600 * chunk.length);
  assert.equal(received.digest('hex'), sent.digest('hex'));
});

test('a command that does not read holds the client back, and misses nothing', async () => {
  const client = await exec(['sh', '-c', 'mkfifo /tmp/go; read x < /tmp/go; wc -c'], 'stdin=true&stdout=true');
  const chunk = Buffer.alloc(32 * 1024);
  const sent = Promise.all(Array.from({ length: 1280 }, () => client.stdin(chunk)));
  const go = await exec(['sh', '-c', 'until test -p /tmp/go; do :; done']);
  assert.equal((await go.status).status, 'Success');
  // Of 42 MB, what stands in buffers on the way is a small part.
  assert.ok(client.ws.bufferedAmount > 20e6, `${client.ws.bufferedAmount}`);
  assert.equal((await (await exec(['sh', '-c', 'echo go > /tmp/go'])).status).status, 'Success');
  await sent;
  client.closeStdin();
  assert.equal((await client.status).status, 'Success');
  assert.equal(Buffer.concat(client.stdout).toString(), `${1280 * chunk.length}\n`);
});

test('a client that does not read holds the command back, and loses nothing', async () => {
  const client = await exec(['sh', '-c', 'head -c 100000000 /dev/zero'], 'stdout=true');
  client.ws.pause();
  const before = process.memoryUsage().rss;
  const blocked = await exec(['sh', '-c', 'until grep -q pipe_write /proc/$(pidof head)/wchan; do :; done']);
  assert.equal((await blocked.status).status, 'Success');
  assert.ok(process.memoryUsage().rss - before < 50e6);
  let size = 0;
  client.ws.on('message', (data: Buffer) => {
    size += data.length - 1;
    client.stdout.length = 0;
  });
  client.ws.resume();
  assert.equal((await client.status).status, 'Success');
  assert.ok(size >= 100e6 - 10e6, `${size}`);
});

test('a terminal has the size that the client says, and a new one when it says so', async () => {
  const client = await exec(['sh'], 'stdin=true&stdout=true&tty=true');
  client.resize(101, 31);
  await client.stdin('until stty size | grep "31 101"; do :; done; trap "stty size" WINCH; echo re""ady\n');
  await client.until('ready');
  client.resize(90, 20);
  await client.stdin('until stty size | grep "20 90"; do :; done; exit 5\n');
  const status = await client.status;
  assert.match(Buffer.concat(client.stdout).toString(), /31 101[\s\S]*20 90/);
  assert.equal(status.message, 'command terminated with non-zero exit code: error executing command [sh], exit code 5');
});

test('exec in what is not there is refused with a Status', async () => {
  await assert.rejects(exec(['true'], 'stdout=true', 'nope'), /404 .*pods \\"nope\\" not found","reason":"NotFound"/);
  await assert.rejects(
    exec(['true'], 'stdout=true&container=nope'),
    /400 .*container nope is not valid for pod web.*BadRequest/s,
  );
  await assert.rejects(exec(['true'], 'container=shell'), /400 .*must specify at least 1 of stdin, stdout, stderr/s);
});

test('a log is had over a WebSocket too, as bytes or in base64', async () => {
  await world.runPod('framed', [{ name: 'c', command: ['echo', 'container is alive'] }]);
  const url = `${pods()}/framed/log?container=c`.replace(/^http/, 'ws');
  const read = async (protocol: string) => {
    const ws = new WebSocket(url, [protocol], { ...world.admin });
    const messages: Buffer[] = [];
    ws.on('message', (data: Buffer) => messages.push(data));
    await once(ws, 'close', { signal: AbortSignal.timeout(30_000) });
    return { protocol: ws.protocol, text: Buffer.concat(messages).toString() };
  };
  await waitFor(async () => (await read('binary.k8s.io')).text === 'container is alive\n', {
    what: 'the log',
    timeoutMs: 30_000,
  });
  assert.deepEqual(await read('base64.binary.k8s.io'), {
    protocol: 'base64.binary.k8s.io',
    text: Buffer.from('container is alive\n').toString('base64'),
  });
});

test('a log has what the container wrote, and its last lines alone where they are asked for', async () => {
  await world.runPod('talker', [{ name: 'c', command: ['sh', '-c', 'for i in 1 2 3 4 5; do echo line $i; done'] }]);
  const log = async (query = '') => text(await get(`${pods()}/talker/log?${query}`));
  // To the end: the container writes and ends.
  assert.equal(await log('follow=true'), 'line 1\nline 2\nline 3\nline 4\nline 5\n');
  assert.equal(await log('tailLines=2'), 'line 4\nline 5\n');
  assert.equal(await log('limitBytes=10'), 'line 1\nlin');
  assert.match(await log('tailLines=1&timestamps=true'), /^\d{4}-\d\d-\d\dT\S+ line 5\n$/);
  assert.match(await log('previous=true'), /previous terminated container \\"c\\" in pod \\"talker\\" not found/);
});

test('a log that is followed gives each line as it is written, and ends with its container', async () => {
  await world.runPod('waiter', [
    {
      name: 'c',
      command: ['sh', '-c', 'mkfifo /tmp/f; echo first; read x < /tmp/f; echo $x; read x < /tmp/f; echo bye'],
    },
  ]);
  const log = (await get(`${pods()}/waiter/log?follow=true`)).setEncoding('utf8')[Symbol.asyncIterator]();
  const say = async (word: string) =>
    assert.equal(
      (await (await exec(['sh', '-c', `echo ${word} > /tmp/f`], 'stdout=true', 'waiter')).status).status,
      'Success',
    );
  assert.equal((await log.next()).value, 'first\n');
  await say('second');
  assert.equal((await log.next()).value, 'second\n');
  await say('third');
  assert.equal((await log.next()).value, 'bye\n');
  assert.equal((await log.next()).done, true);
});

test('attach joins the main process: its input, its output, its terminal', async () => {
  await world.runPod('prompt', [
    { name: 'c', command: ['sh', '-c', 'while read x; do echo got $x; done'], stdin: true, tty: true },
  ]);
  const client = await openChannels(`${pods()}/prompt/attach?stdin=true&stdout=true&tty=true`, world.admin);
  // A runtime may begin to carry the input before the output.
  const hears = async () => {
    await client.stdin('word\n');
    return Buffer.concat(client.stdout).includes('got word');
  };
  await waitFor(hears, { what: 'the process to be heard', timeoutMs: 30_000 });
  client.ws.close();
});

test('port-forward carries several connections, and tells of a port that refuses', async () => {
  await world.runPod('server', [{ name: 'c', command: ['nc', '-ll', '-p', '8080', '-e', 'cat'] }]);
  const listening = await exec(['sh', '-c', 'until grep -q :1F90 /proc/net/tcp*; do :; done'], 'stdout=true', 'server');
  assert.equal((await listening.status).status, 'Success');
  const { hostname, port, pathname } = new URL(`${pods()}/server/portforward`);
  const { socket, head } = await dialUpgrade({
    ...{ protocol: 'https:', ...world.admin, hostname, port, path: pathname, method: 'POST', timeoutMs: 30_000 },
    headers: ['Connection', 'Upgrade', 'Upgrade', 'SPDY/3.1', 'X-Stream-Protocol-Version', 'portforward.k8s.io'],
  });
  const spdy = new SpdyConnection(socket, head);
  const connect = (requestid: string, port: string) => {
    const replies = new EventEmitter();
    const report = (event: string) => ({ onData: (payload: Buffer) => void replies.emit(event, payload.toString()) });
    const failed = once(replies, 'failed', { signal: AbortSignal.timeout(30_000) });
    const answered = once(replies, 'data', { signal: AbortSignal.timeout(30_000) });
    for (const unused of [failed, answered]) unused.catch(() => undefined);
    spdy.open({ streamtype: 'error', port, requestid }, report('failed'));
    return { failed, answered, stream: spdy.open({ streamtype: 'data', port, requestid }, report('data')) };
  };
  const running = spdy.run().catch(() => undefined);
  const connections = ['0', '1', '2'].map((id) => connect(id, '8080'));
  for (const [i, { stream }] of connections.entries()) stream.write(Buffer.from(`hello ${i}`));
  const answers = await Promise.all(connections.map(({ answered }) => answered));
  assert.deepEqual(answers.flat(), ['hello 0', 'hello 1', 'hello 2']);
  assert.match(String((await connect('3', '81').failed)[0]), /connection refused/);
  spdy.close();
  await running;
});

test('a node, a pod and a Service are reached through their proxy', async () => {
  const proxied = async (path: string) => text(await get(`${world.server}/api/v1/${path}`));
  const script = 'mkdir /tmp/www; echo hello > /tmp/www/page; exec httpd -f -p 8000 -h /tmp/www';
  const address = await world.runPod('page', [{ name: 'c', command: ['sh', '-c', script] }]);
  await world.client.create(services, {
    metadata: { name: 'site', namespace: 'default' },
    spec: { ports: [{ port: 80 }] },
  });
  await world.client.create(endpointSlices, {
    metadata: { name: 'site-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'site' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: '', port: 8000 }],
  });
  const listening = await exec(['sh', '-c', 'until grep -q :1F40 /proc/net/tcp*; do :; done'], 'stdout=true', 'page');
  assert.equal((await listening.status).status, 'Success');
  assert.equal(await proxied('namespaces/default/services/site/proxy/page'), 'hello\n');
  assert.equal(await proxied('namespaces/default/pods/page:8000/proxy/page'), 'hello\n');
  const list = JSON.parse(await proxied('nodes/n1/proxy/pods'));
  assert.equal(list.kind, 'PodList');
  assert.match(await proxied('nodes/n1/proxy/healthz'), /^ok$/);
  assert.match(await proxied('namespaces/default/services/nope/proxy/'), /services \\"nope\\" not found/);
});

test('who has no certificate of the API server gets 401, and 403 with that of another', async () => {
  const ask = async (credentials: object) => {
    const { port, tls } = world.kubelet;
    const call = request({ host: '127.0.0.1', port, path: '/pods', ca: tls.ca, agent: false, ...credentials });
    call.end();
    const [response] = await once(call, 'response');
    await text(response);
    return response.statusCode;
  };
  const stranger = await world.ca.identity('stranger', { commonName: 'alice', organizations: ['dev'] });
  assert.equal(await ask({}), 401);
  assert.equal(await ask(stranger), 403);
  assert.equal(await ask(world.kubelet.tls), 200);
});
