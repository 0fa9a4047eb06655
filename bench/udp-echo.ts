import { createSocket } from 'node:dgram';

/** What Node.js can do at most: each datagram comes back with the bit set that makes a DNS query a response. */
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
socket.on('message', (message, { port, address }) => {
  message[2] = (message[2] ?? 0) | 0x80;
  socket.send(message, port, address);
});
socket.bind(Number(process.argv[2]), '127.0.0.1');
