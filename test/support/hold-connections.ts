/** Opens COUNT connections to ADDRESS:PORT that say nothing, prints how many are open, and ends with its standard input. */
import { once } from 'node:events';
import { connect } from 'node:net';

const [address = '', port = '', count = ''] = process.argv.slice(2);
const sockets = Array.from({ length: Number(count) }, () => connect(Number(port), address));
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
console.log(sockets.length);
process.stdin.resume().on('end', () => process.exit(0));
