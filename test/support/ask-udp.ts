/** Sends COUNT datagrams of so many BYTES to ADDRESS PORT, each from a socket of its own, and prints the answers as a JSON list. */
import { createSocket } from 'node:dgram';

const [address = '', port = '', count = '1', bytes = '4', timeoutMs = '30000'] = process.argv.slice(2);
const answers = await Promise.all(Array.from({ length: Number(count) }, ask));
console.log(JSON.stringify(answers));

function ask(): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const settle = (answer: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => settle('no answer'), Number(timeoutMs));
    socket.once('message', (answer) => settle(answer.toString()));
    socket.once('error', (error) => settle(error.message));
    socket.send('ping'.padEnd(Number(bytes), '.'), Number(port), address);
  });
}
