/** Asks ADDRESS PORT for a page every 50 ms, always on one connection, and prints a line when it has the first. */
import { Agent, get } from 'node:http';

const [host = '', port = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let isFirst = true;
const ask = () => {
  get({ host, port, agent }, (response) => {
    response.resume().on('end', () => {
      if (isFirst) console.log('asked');
      isFirst = false;
      setTimeout(ask, 50);
    });
  });
};
ask();
