import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { AnswerCache, readAnswer } from './cache.ts';
import { quiet, serve, setService, zoneOf } from './fixtures.ts';
import { Forwarder } from './forward.ts';
import { frame, Unframer } from './framing.ts';
import { Rcode, Type, word } from './message.ts';
import { knownNameKey } from './names.ts';
import { parseNameServers, parseUpstream } from './resolvconf.ts';
import { buildQuery } from './response.ts';

const www = knownNameKey('www.svc.example.test');
const loopback = (port: number) => ({ address: '127.0.0.1', port });

const outside = () => serve(zoneOf('example.test', [], {}));

/** A name server that never answers. */
async function silent() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

describe('the forwarder', () => {
  it('goes on to the next upstream, and stays with the one that answers', async (t) => {
    const dead = await silent();
    const alive = await outside();
    let asked = 0;
    dead.on('message', () => asked++);
    const upstreams = [loopback(dead.address().port), loopback(alive.port)];
    const forwarder = new Forwarder({ upstreams, log: quiet, timeoutMs: 500 });
    t.after(async () => {
      forwarder.close();
      dead.close();
      await alive.stop();
    });
    const answer = await forwarder.resolve(knownNameKey('a.example.test'), Type.A, false, 'udp');
    assert.equal(answer.rcode, Rcode.NXDOMAIN);
    await forwarder.resolve(knownNameKey('b.example.test'), Type.A, false, 'udp');
    assert.equal(asked, 1);
  });

  it('gives up where no upstream answers', async (t) => {
    const dead = await silent();
    const forwarder = new Forwarder({ upstreams: [loopback(dead.address().port)], log: quiet, timeoutMs: 20 });
    t.after(() => {
      forwarder.close();
      dead.close();
    });
    await assert.rejects(forwarder.resolve(www, Type.A, false, 'udp'), { code: 'NO_UPSTREAM' });
  });

  it('answers from its cache until the TTL is over', async (t) => {
    let now = Date.now();
    const zone = zoneOf('example.test', [], {});
    const world = await serve(zone);
    const cache = new AnswerCache(10, () => now);
    const forwarder = new Forwarder({ upstreams: [loopback(world.port)], log: quiet, cache });
    t.after(async () => {
      forwarder.close();
      await world.stop();
    });
    const ask = async () => (await forwarder.resolve(www, Type.A, false, 'udp')).rcode;
    assert.equal(await ask(), Rcode.NXDOMAIN);
    zone.setNamespace('www', true);
    assert.equal(await ask(), Rcode.NXDOMAIN);
    now += 31_000;
    assert.equal(await ask(), Rcode.NOERROR);
    assert.deepEqual([cache.hits, cache.misses], [1, 2]);
  });

  it('stops where its question comes back to it', async (t) => {
    const relay = await silent();
    const server = await serve(zoneOf('cluster.local', [], {}), {
      upstreams: [loopback(relay.address().port)],
      timeoutMs: 100,
    });
    t.after(async () => {
      relay.close();
      await server.stop();
    });
    relay.on('message', (message, from) => {
      if (from.port !== server.port) relay.send(message, server.port, '127.0.0.1');
    });
    await server.forwarder.checkLoop();
    await assert.rejects(server.forwarder.resolve(www, Type.A, false, 'udp'), /lead back to this server/);
  });

  it('lets those who ask the same at once share one question', async (t) => {
    const world = await outside();
    const forwarder = new Forwarder({ upstreams: [loopback(world.port)], log: quiet });
    t.after(async () => {
      forwarder.close();
      await world.stop();
    });
    const [a, b] = await Promise.all([1, 2].map(() => forwarder.resolve(www, Type.A, false, 'udp')));
    assert.equal(a, b);
  });
});

describe('the answer cache', () => {
  it('drops the oldest when it is full', () => {
    const cache = new AnswerCache(2);
    const answer = { bytes: Buffer.alloc(0), ttlsAt: [], rcode: 0, ttl: 30, receivedAt: Date.now() };
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
  it('gives its name servers in order, once each', () => {
    const text =
      'search x\nnameserver 10.0.0.2\n# nameserver 1.1.1.1\n nameserver\tfe80::1%eth0\nnameserver 10.0.0.2\nnameserver x\n';
    assert.deepEqual(parseNameServers(text), [
      { address: '10.0.0.2', port: 53 },
      { address: 'fe80::1%eth0', port: 53 },
    ]);
  });

  it('is stood in for by addresses with or without a port', () => {
    assert.deepEqual(parseUpstream('10.0.0.2:5353'), { address: '10.0.0.2', port: 5353 });
    assert.deepEqual(parseUpstream('[fd00::1]:54'), { address: 'fd00::1', port: 54 });
    assert.deepEqual(parseUpstream('fd00::1'), { address: 'fd00::1', port: 53 });
    assert.equal(parseUpstream('resolver'), undefined);
  });
});
