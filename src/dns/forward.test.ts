import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { waitFor } from '../base/wait.ts';
import { AnswerCache, readAnswer } from './cache.ts';
import { quiet, routesTo, serve, setService, slice, zoneOf } from './fixtures.ts';
import { Forwarder, type ForwarderOptions } from './forward.ts';
import { frame, Unframer } from './framing.ts';
import { Flag, Rcode, Type, word } from './message.ts';
import { knownNameKey } from './names.ts';
import { parseResolvConf, parseUpstream, ResolvConfFile } from './resolvconf.ts';
import { buildQuery } from './response.ts';

const www = knownNameKey('www.svc.example.test');
const loopback = (port: number) => ({ address: '127.0.0.1', port });

interface Fake {
  readonly port: number;
  /** Every question that came, and from which port. */
  readonly asked: { readonly message: Buffer; readonly port: number }[];
  close(): void;
}

/** A name server that answers what `answer` makes of a question; nothing, where that is nothing. */
async function fake(answer: (query: Buffer) => Buffer | undefined = () => undefined): Promise<Fake> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const asked: Fake['asked'] = [];
  socket.on('message', (message, { port }) => {
    asked.push({ message, port });
    const bytes = answer(message);
    if (bytes) socket.send(bytes, port, '127.0.0.1');
  });
  return { port: socket.address().port, asked, close: () => socket.close() };
}

/** The question as an answer without records. */
function answerWith(query: Buffer, rcode: number, flags = 0): Buffer {
  const bytes = Buffer.from(query);
  bytes.writeUInt16BE(0x8000 | flags | rcode, 2);
  return bytes;
}

function forwarderTo(t: TestContext, options: Partial<ForwarderOptions>, ...fakes: readonly Fake[]): Forwarder {
  const routes = routesTo(fakes.map(({ port }) => loopback(port)));
  const forwarder = new Forwarder({ routes, log: quiet, timeoutMs: 30_000, ...options });
  t.after(() => {
    forwarder.close();
    for (const each of fakes) each.close();
  });
  return forwarder;
}

const name = (label: string) => knownNameKey(`${label}.example.test`);
const rcodeOf = async (forwarder: Forwarder, label: string) =>
  (await forwarder.resolve(name(label), Type.A, false)).rcode;

describe('the forwarder', () => {
  it('goes on to the next upstream, and asks one that failed twice last', async (t) => {
    const dead = await fake();
    const alive = await fake((query) => answerWith(query, Rcode.NOERROR));
    const forwarder = forwarderTo(t, { timeoutMs: 1000 }, dead, alive);
    for (const label of ['a', 'b', 'c', 'd']) assert.equal(await rcodeOf(forwarder, label), Rcode.NOERROR);
    const questions = dead.asked.filter(({ message }) => !isProbe(message));
    assert.equal(questions.length, 2);
    assert.equal(alive.asked.length, 4);
    assert.deepEqual(
      [...forwarder.servers].map(({ isDown }) => isDown),
      [true, false],
    );
  });

  it('comes back to an upstream that answers a probe', async (t) => {
    let awake = false;
    const first = await fake((query) => (awake ? answerWith(query, Rcode.NOERROR) : undefined));
    const second = await fake((query) => answerWith(query, Rcode.NOERROR));
    const forwarder = forwarderTo(t, { timeoutMs: 1000 }, first, second);
    for (const label of ['a', 'b']) await rcodeOf(forwarder, label);
    awake = true;
    let asked = 0;
    await waitFor(
      async () => {
        await rcodeOf(forwarder, `c${asked++}`);
        return ![...forwarder.servers].some(({ isDown }) => isDown);
      },
      { what: 'the first upstream to be up', timeoutMs: 30_000 },
    );
    const before = second.asked.length;
    await rcodeOf(forwarder, 'last');
    assert.equal(second.asked.length, before);
  });

  it('gives up where no upstream answers, and where none is configured', async (t) => {
    const forwarder = forwarderTo(t, { timeoutMs: 20 }, await fake());
    await assert.rejects(rcodeOf(forwarder, 'a'), { code: 'NO_UPSTREAM', message: /no answer in 20 ms/ });
    await assert.rejects(rcodeOf(forwarderTo(t, {}), 'a'), { code: 'NO_UPSTREAM', message: /no upstream/ });
  });

  it('does not wait for an upstream that nobody listens at', async (t) => {
    const gone = await fake();
    gone.close();
    const forwarder = forwarderTo(t, { routes: routesTo([loopback(gone.port)]), timeoutMs: 60_000 });
    await assert.rejects(rcodeOf(forwarder, 'a'), { code: 'NO_UPSTREAM', message: /ECONNREFUSED/ });
  });

  it('asks the next one where one fails or refuses, and passes the failure on where all do', async (t) => {
    const failing = await fake((query) => answerWith(query, Rcode.SERVFAIL));
    const refusing = await fake((query) => answerWith(query, Rcode.REFUSED));
    const knowing = await fake((query) => answerWith(query, Rcode.NXDOMAIN));
    assert.equal(await rcodeOf(forwarderTo(t, {}, failing, knowing), 'a'), Rcode.NXDOMAIN);
    const both = forwarderTo(t, { routes: routesTo([loopback(failing.port), loopback(refusing.port)]) }, refusing);
    assert.equal(await rcodeOf(both, 'b'), Rcode.REFUSED);
  });

  it('asks each question from a port and with an id of its own', async (t) => {
    const upstream = await fake((query) => answerWith(query, Rcode.NOERROR));
    const forwarder = forwarderTo(t, {}, upstream);
    const labels = Array.from({ length: 50 }, (_, i) => `n${i}`);
    await Promise.all(labels.map((label) => rcodeOf(forwarder, label)));
    const ports = new Set(upstream.asked.map(({ port }) => port));
    const ids = new Set(upstream.asked.map(({ message }) => word(message, 0)));
    assert.ok(ports.size > 45 && ids.size > 45, `${ports.size} ports, ${ids.size} ids`);
  });

  it('takes no answer to another question', async (t) => {
    const forger = await fake((query) => {
      const forged = answerWith(query, Rcode.NXDOMAIN);
      forged[13] = 0x7a;
      return forged;
    });
    await assert.rejects(rcodeOf(forwarderTo(t, { timeoutMs: 100 }, forger), 'a'), { code: 'NO_UPSTREAM' });
  });

  it('asks again over TCP what was cut off', async (t) => {
    const addresses = Array.from({ length: 200 }, (_, i) => `10.244.9.${i + 1}`);
    const zone = zoneOf('example.test', ['a'], {
      'a/many': { spec: { clusterIP: 'None' }, slices: [slice(addresses)] },
    });
    const world = await serve(zone);
    t.after(() => world.stop());
    const forwarder = forwarderTo(t, { routes: routesTo([loopback(world.port)]), timeoutMs: 30_000 });
    const answer = await forwarder.resolve(knownNameKey('many.a.svc.example.test'), Type.A, false);
    assert.equal(answer.answers, 200);
    assert.equal(word(answer.bytes, 2) & Flag.TC, 0);
  });

  it('asks the upstreams of the longest stub domain', async (t) => {
    const [all, corp, lab] = [await fake(noError), await fake(noError), await fake(noError)];
    const stubs = new Map([
      [knownNameKey('corp.test'), [loopback(corp.port)]],
      [knownNameKey('lab.corp.test'), [loopback(lab.port)]],
    ]);
    const forwarder = forwarderTo(t, { routes: routesTo([loopback(all.port)], stubs) }, all, corp, lab);
    for (const each of ['corp.test', 'a.corp.test', 'a.b.lab.corp.test', 'notcorp.test', 'test'])
      await forwarder.resolve(knownNameKey(each), Type.A, false);
    assert.deepEqual([all.asked.length, corp.asked.length, lab.asked.length], [2, 2, 1]);
  });

  it('follows other routes at once, and forgets what the old ones said', async (t) => {
    const [old, next] = [await fake((query) => answerWith(query, Rcode.SERVFAIL)), await fake(noError)];
    let routes = routesTo([loopback(old.port)])();
    const forwarder = forwarderTo(t, { routes: () => routes }, old, next);
    assert.equal(await rcodeOf(forwarder, 'a'), Rcode.SERVFAIL);
    assert.equal(forwarder.cached(name('a'), Type.A, false)?.rcode, Rcode.SERVFAIL);
    routes = routesTo([loopback(next.port)])();
    assert.equal(forwarder.cached(name('a'), Type.A, false), undefined);
    assert.equal(await rcodeOf(forwarder, 'a'), Rcode.NOERROR);
  });

  it('answers from its cache until the TTL is over', async (t) => {
    let now = Date.now();
    const zone = zoneOf('example.test', [], {});
    const world = await serve(zone);
    t.after(() => world.stop());
    const cache = new AnswerCache(10, () => now);
    const forwarder = forwarderTo(t, { routes: routesTo([loopback(world.port)]), cache, timeoutMs: 30_000 });
    const cached = () => forwarder.cached(www, Type.A, false)?.rcode;
    assert.equal(cached(), undefined);
    await forwarder.resolve(www, Type.A, false);
    assert.equal(cached(), Rcode.NXDOMAIN);
    assert.deepEqual(cache.stats.entries, { success: 0, denial: 1 });
    now += 31_000;
    assert.equal(cached(), undefined);
    assert.deepEqual(cache.stats.hits, { success: 0, denial: 1 });
    assert.equal(cache.stats.requests, 3);
  });

  it('stops where its question comes back to it', async (t) => {
    const relay = createSocket('udp4').bind(0, '127.0.0.1');
    await once(relay, 'listening');
    const upstreams = [loopback(relay.address().port)];
    const server = await serve(zoneOf('cluster.local', [], {}), { upstreams, timeoutMs: 1000 });
    t.after(async () => {
      relay.close();
      await server.stop();
    });
    relay.on('message', (message, from) => {
      if (from.port !== server.port) relay.send(message, server.port, '127.0.0.1');
    });
    void server.forwarder.checkLoop();
    const isFound = () =>
      server.forwarder.resolve(www, Type.A, false).catch((error) => /lead back/.test(error.message));
    await waitFor(async () => (await isFound()) === true, { what: 'the loop to be found', timeoutMs: 30_000 });
  });

  it('lets those who ask the same at once share one question', async (t) => {
    const upstream = await fake(noError);
    const forwarder = forwarderTo(t, {}, upstream);
    const [a, b] = await Promise.all([1, 2].map(() => forwarder.resolve(www, Type.A, false)));
    assert.equal(a, b);
    assert.equal(upstream.asked.length, 1);
  });
});

const noError = (query: Buffer) => answerWith(query, Rcode.NOERROR);
/** `. NS` */
const isProbe = (message: Buffer) => message[12] === 0;

describe('the answer cache', () => {
  it('drops the oldest when it is full', () => {
    const cache = new AnswerCache(2);
    const answer = { bytes: Buffer.alloc(0), ttlsAt: [], rcode: 0, answers: 1, ttl: 30, receivedAt: Date.now() };
    for (const name of ['a', 'b', 'c']) cache.set(name, answer);
    assert.deepEqual([cache.get('a'), cache.get('c')], [undefined, answer]);
  });

  it('keeps no answer that is malformed, and no failure but SERVFAIL', () => {
    assert.equal(readAnswer(Buffer.alloc(5), 0), undefined);
    const refused = buildQuery(1, www, Type.A, false);
    refused.writeUInt16BE(0x8005, 2);
    assert.equal(readAnswer(refused, 0)?.ttl, 0);
    refused.writeUInt16BE(0x8002, 2);
    assert.equal(readAnswer(refused, 0)?.ttl, 5);
  });
});

describe('a TCP connection', () => {
  it('carries several questions, whole or in pieces', async (t) => {
    const zone = zoneOf('cluster.local', [], {});
    setService(zone, 'default/web', { spec: { clusterIP: '10.96.0.7' } });
    const server = await serve(zone);
    const socket = connect(server.port, '127.0.0.1');
    t.after(async () => {
      socket.destroy();
      await server.stop();
    });
    const name = knownNameKey('web.default.svc.cluster.local');
    const bytes = Buffer.concat([1, 2, 3].map((id) => frame(buildQuery(id, name, Type.A, false))));
    for (const piece of [bytes.subarray(0, 1), bytes.subarray(1, 30), bytes.subarray(30)]) socket.write(piece);
    const unframer = new Unframer();
    const answers: Buffer[] = [];
    for await (const data of socket) {
      answers.push(...unframer.push(data));
      if (answers.length === 3) break;
    }
    assert.deepEqual(
      answers.map((answer) => word(answer, 0)),
      [1, 2, 3],
    );
  });
});

describe('resolv.conf', () => {
  it('gives its name servers in order, once each, and its last search path', () => {
    const text =
      'search x\nnameserver 10.0.0.2\n# nameserver 1.1.1.1\n nameserver\tfe80::1%eth0\nnameserver 10.0.0.2\nnameserver x\nsearch a.test .\n';
    assert.deepEqual(parseResolvConf(text), {
      upstreams: [
        { address: '10.0.0.2', port: 53 },
        { address: 'fe80::1%eth0', port: 53 },
      ],
      searches: [knownNameKey('a.test')],
    });
  });

  it('is followed as it changes, behind a link and a rename too', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'knit-dns-test-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'resolv.conf');
    const write = (file: string, address: string) => writeFileSync(join(folder, file), `nameserver ${address}\n`);
    let now = 0;
    write('first', '10.0.0.1');
    symlinkSync('first', path);
    const file = new ResolvConfFile(
      path,
      ({ address }) => address !== '10.0.0.3',
      quiet,
      () => now,
    );
    const upstreams = () => {
      now += 2000;
      return file.current.upstreams.map(({ address }) => address);
    };
    assert.deepEqual(upstreams(), ['10.0.0.1']);
    write('second', '10.0.0.22');
    symlinkSync('second', `${path}.new`);
    renameSync(`${path}.new`, path);
    assert.deepEqual(upstreams(), ['10.0.0.22']);
    write('second', '10.0.0.3');
    assert.deepEqual(upstreams(), []);
    write('second', '10.0.0.222');
    assert.deepEqual(upstreams(), ['10.0.0.222']);
    rmSync(path);
    assert.deepEqual(upstreams(), ['10.0.0.222']);
  });

  it('is stood in for by addresses with or without a port', () => {
    assert.deepEqual(parseUpstream('10.0.0.2:5353'), { address: '10.0.0.2', port: 5353 });
    assert.deepEqual(parseUpstream('[fd00::1]:54'), { address: 'fd00::1', port: 54 });
    assert.deepEqual(parseUpstream('fd00::1'), { address: 'fd00::1', port: 53 });
    for (const wrong of ['resolver', '10.0.0.2:0', '10.0.0.2:65536', '']) assert.equal(parseUpstream(wrong), undefined);
  });
});
