import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePacket } from './packet.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

const syn = hex(`4500003c ec814000 40060000 0af40003 0af40102
  5ba01f90 78422e39 00000000 a002faf0 00000000 020405b4 0402080a 00000000 00000000 01030307`);

test('a TCP segment: addresses, ports, flags in the order in which people say them', () => {
  const packet = parsePacket(syn);
  assert.deepEqual(
    { ...packet, payload: undefined },
    {
      family: 'ipv4',
      source: '10.244.0.3',
      destination: '10.244.1.2',
      protocol: 'tcp',
      sourcePort: 23456,
      destinationPort: 8080,
      ttl: 64,
      id: 0xec81,
      length: 60,
      tcp: { sequence: 0x78422e39, acknowledgment: 0, flags: 'S', payloadLength: 0 },
      payload: undefined,
    },
  );
});

test('what was cut still tells how much it carried', () => {
  const bytes = Buffer.concat([syn, Buffer.alloc(8)]);
  bytes.writeUInt16BE(1060, 2);
  assert.equal(parsePacket(bytes)?.tcp?.payloadLength, 1000);
});

test('an ICMP error tells what it is about, and how large packets may be', () => {
  const error = Buffer.concat([
    hex('45000038 00000000 40010000 0af40001 0af40003 03040000 000005aa'),
    syn.subarray(0, 28),
  ]);
  const { icmp } = parsePacket(error) ?? {};
  assert.equal(icmp?.mtu, 1450);
  assert.equal(icmp?.about?.destinationPort, 8080);
});

test('an IPv6 address is spelled as the kernel prints it', () => {
  const packet = parsePacket(
    hex(`60000000 00101140 fd000000000000000000000000000001 fd000000000000000000000000000002
      c35000350010 0000 6869686968696869`),
  );
  assert.equal(packet?.source, 'fd00::1');
  assert.equal(packet?.destinationPort, 53);
  assert.equal(packet?.payload.toString(), 'hihihihi');
});

test('what is no packet is none', () => {
  assert.equal(parsePacket(Buffer.alloc(0)), undefined);
  assert.equal(parsePacket(hex('4500')), undefined);
});
