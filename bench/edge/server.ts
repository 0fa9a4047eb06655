/**
 * Run in a pod's network: port 7001 answers each connection with a line and ends it, port 7002 sends as fast as it can,
 * port 7003 is a web server.
 */
import { createServer as createWebServer } from 'node:http';
import { createServer, type Socket } from 'node:net';

const chunk = Buffer.alloc(256 * 1024);
const greeter = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.end('here\n');
});
const sender = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  send(socket);
});
const web = createWebServer((_, response) => response.end('here\n'));
web.keepAliveTimeout = 60_000; // as proxies want it: who ends first is never the one who is asked
web.listen({ port: 7003, backlog: 4096 });
greeter.listen({ port: 7001, backlog: 4096 });
sender.listen(7002, () => console.log('listening'));
process.stdin.resume().on('end', () => process.exit());

function send(socket: Socket): void {
  while (socket.writable && socket.write(chunk));
  if (socket.writable) socket.once('drain', () => send(socket));
}
