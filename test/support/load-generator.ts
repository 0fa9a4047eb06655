/**
 * Asks one URL again and again from wherever it is run, until its standard input ends, and then prints a
 * {@link LoadReport} as JSON. Half of its workers open a connection for each request, half keep theirs.
 */
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface LoadReport {
  readonly requests: number;
  /** Requests on a kept connection that the server had just closed; they are sent again, as RFC 9112 §9.3.1 has it. */
  readonly sentAgain: number;
  readonly slowestMs: number;
  readonly failures: readonly { readonly at: string; readonly connection: 'new' | 'kept'; readonly error: string }[];
}

const workers = 3;
const pauseMs = 8;
const timeoutMs = 30_000;
const [url = ''] = process.argv.slice(2);

let stopped = false;
const report = { requests: 0, sentAgain: 0, slowestMs: 0, failures: [] as LoadReport['failures'][number][] };

process.stdin.resume().on('end', () => {
  stopped = true;
});
await Promise.all(Array.from({ length: workers }, () => [worker('new'), worker('kept')]).flat());
console.log(JSON.stringify(report satisfies LoadReport));

async function worker(connection: 'new' | 'kept'): Promise<void> {
  const agent = connection === 'kept' ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
  while (!stopped) {
    const began = Date.now();
    try {
      await ask(agent);
    } catch (error) {
      report.failures.push({ at: new Date(began).toISOString(), connection, error: String(error) });
    }
    report.requests++;
    if (report.requests === 1) console.log('began');
    report.slowestMs = Math.max(report.slowestMs, Date.now() - began);
    await delay(pauseMs);
  }
  agent?.destroy();
}

async function ask(agent: Agent | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = get(url, { agent: agent ?? false, timeout: timeoutMs }, (response) => {
    let body = '';
    response.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    response.on('error', reject);
    response.on('end', () => (response.statusCode === 200 ? resolve() : reject(`${response.statusCode} ${body}`)));
  });
  request.on('timeout', () => request.destroy(new Error(`no answer in ${timeoutMs} ms`)));
  request.on('error', (error: NodeJS.ErrnoException) => {
    const closedByServer = ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
    if (!request.reusedSocket || !closedByServer) return reject(error);
    report.sentAgain++;
    ask(agent).then(resolve, reject);
  });
  await promise;
}
