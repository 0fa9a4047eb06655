import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import { type CachedAnswer, readAnswer } from './cache.ts';
import { quiet, routesTo, zoneOf } from './fixtures.ts';
import { Forwarder } from './forward.ts';
import { parseQuery, Rcode, readName, readRecord, Type, word } from './message.ts';
import { DnsMetrics } from './metrics.ts';
import { knownNameKey } from './names.ts';
import { passOn, recordsOf } from './pass-on.ts';
import { Resolver } from './resolve.ts';
import { buildQuery } from './response.ts';

const name = knownNameKey('web.default.svc.cluster.local');
const zone = zoneOf('cluster.local', ['default'], {
  'default/web': { spec: { clusterIP: '10.96.0.7', ports: [{ name: 'http', port: 80 }] } },
});
const forwarder = new Forwarder({ routes: routesTo([]), log: quiet });
const metrics = new DnsMetrics();
const resolver = new Resolver({ zone, forwarder, metrics, log: quiet });

function ask(message: Buffer): Buffer | undefined {
  let answer: Buffer | undefined;
  resolver.resolve({
    message,
    protocol: 'udp',
    from: '127.0.0.1',
    reply: (bytes) => {
      answer = bytes;
    },
  });
  return answer;
}

const rcode = (answer: Buffer | undefined) => answer && word(answer, 2) & 15;

describe('a malformed message', () => {
  it('is dropped where it has no whole header or is a response', () => {
    assert.equal(ask(Buffer.alloc(11)), undefined);
    const response = buildQuery(1, name, Type.A, false);
    response[2] = 0x80;
    assert.equal(ask(response), undefined);
  });

  it('is answered with FORMERR where the question can’t be read', () => {
    const query = buildQuery(7, name, Type.A, false);
    for (const cut of [13, 20, 12 + name.length + 3]) {
      const answer = ask(query.subarray(0, cut));
      assert.equal(rcode(answer), Rcode.FORMERR);
      assert.equal(answer && word(answer, 0), 7);
    }
    const pointer = Buffer.from(query);
    pointer[12] = 0xc0;
    assert.equal(rcode(ask(pointer)), Rcode.FORMERR);
  });

  it('is one with no question, or two, as BIND has it', () => {
    for (const count of [0, 2]) {
      const query = buildQuery(1, name, Type.A, false);
      query.writeUInt16BE(count, 4);
      assert.equal(rcode(ask(query)), Rcode.FORMERR);
    }
  });

  it('is one with two OPT records', () => {
    const query = buildQuery(1, name, Type.A, false);
    const twice = Buffer.concat([query, query.subarray(query.length - 11)]);
    twice.writeUInt16BE(2, 10);
    assert.equal(rcode(ask(twice)), Rcode.FORMERR);
  });

  it('never throws: random bytes', () => {
    for (let i = 0; i < 20_000; i++) {
      const bytes = randomBytes(randomInt(0, 80));
      const answer = ask(bytes);
      if (answer) assert.equal(word(answer, 0), word(bytes, 0));
      readAnswer(bytes, 0);
      readName(bytes, randomInt(0, 80));
      readRecord(bytes, randomInt(0, 80));
    }
  });

  it('never throws: a right message with wrong bytes', () => {
    const right = buildQuery(1, name, Type.SRV, true);
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(right.subarray(0, randomInt(0, 3) === 0 ? randomInt(0, right.length) : right.length));
      for (let j = randomInt(1, 4); j > 0; j--)
        if (bytes.length > 2) bytes[randomInt(2, bytes.length)] = randomInt(0, 256);
      const answer = ask(bytes);
      if (answer) assert.equal(word(answer, 0), 1);
    }
  });
});

describe('an upstream’s answer', () => {
  it('never makes us throw, whatever is wrong with its bytes', () => {
    const question = buildQuery(1, knownNameKey('_http._tcp.web.default.svc.cluster.local'), Type.SRV, false);
    const right = ask(question);
    const parsed = parseQuery(question);
    assert.ok(right && parsed.kind === 'query');
    assert.equal(recordsOf(readAnswer(right, 0) as CachedAnswer, Type.SRV).length, 1);
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(right.subarray(0, randomInt(0, 3) === 0 ? randomInt(0, right.length) : right.length));
      for (let j = randomInt(1, 4); j > 0; j--)
        if (bytes.length > 0) bytes[randomInt(0, bytes.length)] = randomInt(0, 256);
      const answer = readAnswer(bytes, 0);
      if (!answer) continue;
      recordsOf(answer, Type.SRV);
      passOn(parsed.query, answer, 'udp');
    }
  });

  it('is taken without its OPT record, wherever that stands among the additional ones', () => {
    const answer = ask(buildQuery(1, name, Type.SRV, false)) as Buffer;
    const opt = answer.subarray(answer.length - 11);
    const records = word(answer, 10);
    const read = readAnswer(answer, 0);
    assert.equal(read && word(read.bytes, 10), records - 1);
    // OPT first: what stands behind it is left out.
    const end = answer.length - 11 - 16;
    const first = Buffer.concat([answer.subarray(0, end), opt, answer.subarray(end, answer.length - 11)]);
    assert.equal(readAnswer(first, 0)?.bytes.readUInt16BE(10), 0);
  });
});

describe('names', () => {
  it('of a message end, whatever its pointers', () => {
    assert.equal(readName(Buffer.from([0xc0, 0]), 0), undefined);
    assert.equal(readName(Buffer.from([1, 97, 0xc0, 0]), 2), undefined);
    assert.equal(readName(Buffer.from([1, 97, 0, 1, 98, 0xc0, 0]), 3), '\x01b\x01a\0');
  });

  it('with a dot inside a label are not those with two labels', () => {
    const query = buildQuery(1, `\x0bweb.default${knownNameKey('svc.cluster.local')}`, Type.A, false);
    assert.equal(rcode(ask(query)), Rcode.NXDOMAIN);
  });

  it('keep their case in the answer’s question', () => {
    const query = buildQuery(1, name.replace('web', 'wEb'), Type.A, false);
    const answer = ask(query);
    assert.equal(rcode(answer), Rcode.NOERROR);
    assert.ok(answer?.includes('wEb'));
    const parsed = parseQuery(query);
    assert.equal(parsed.kind === 'query' && parsed.query.name, name);
  });
});
