import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { socketsOf } from './sockets.ts';

test('lists who listens and who speaks with whom', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  const everywhere = createServer().listen(0, '::');
  const datagrams = createSocket('udp4').bind(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(everywhere, 'listening'), once(datagrams, 'listening')]);
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  try {
    const sockets = socketsOf('self');
    const listens = (protocol: string, address: string, at: number) =>
      sockets.some(
        (one) => one.listens && one.protocol === protocol && one.local.address === address && one.local.port === at,
      );
    assert.ok(listens('tcp', '127.0.0.1', port));
    assert.ok(listens('tcp', '::', (everywhere.address() as AddressInfo).port));
    assert.ok(listens('udp', '127.0.0.1', datagrams.address().port));
    // The kernel gives one port to several connections that lead elsewhere.
    const speaking = sockets.filter(({ local, listens: is }) => !is && local.port === client.localPort);
    assert.ok(speaking.some(({ remote }) => remote.address === '127.0.0.1' && remote.port === port));
  } finally {
    client.destroy();
    datagrams.close();
    server.close();
    everywhere.close();
  }
});
