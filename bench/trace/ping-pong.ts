import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * Two ends of one connection over which a byte goes back and forth: `server PORT`, or `client ADDRESS PORT`. The client
 * answers each line on its standard input, a time in ms, with how many rounds it made in it.
 */
const [role, ...args] = process.argv.slice(2);

if (role === 'server') {
  createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // the client was ended
    socket.pipe(socket);
  }).listen(Number(args[0]), () => console.log('listening'));
} else {
  const socket = connect({ host: args[0], port: Number(args[1]), noDelay: true });
  let rounds = 0;
  socket.on('data', () => {
    rounds++;
    socket.write('x');
  });
  socket.once('connect', () => socket.write('x'));
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const before = rounds;
      setTimeout(() => console.log(rounds - before), Number(line));
    })
    .on('close', () => process.exit(0));
}
