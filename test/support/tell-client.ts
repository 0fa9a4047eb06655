import { createServer } from 'node:http';

/** Run as a program, in any network namespace: answers every request with the client's address, as it arrives here. */
const [address = '127.0.0.1', port = '8080'] = process.argv.slice(2);
createServer((request, response) => response.end(`you are ${request.socket.remoteAddress}\n`)).listen(
  Number(port),
  address,
  () => console.log('listening'),
);
