import { setTimeout as delay } from 'node:timers/promises';
import { KnitError, messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { inClusterTransport } from '../client/incluster.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { startDns } from './dns.ts';
import { parseDnsOptions } from './options.ts';

/** The process that a pod of cluster DNS runs: from its start to SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const log = createLog('dns');
  const signalled = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const options = parseDnsOptions(process.argv.slice(2), process.env);
  const transport = await inClusterTransport();
  const informers = createInformers(createClient(transport), log);
  const dns = await startDns({ ...options, informers, log });
  const signal = await Promise.race([signalled, dns.serving.then(() => signalled)]);
  log.info('stopping', { signal });
  dns.drain();
  await delay(options.lameDuckMs);
  await Promise.all([dns.stop(), informers.stop()]);
  await transport.close();
}

main().catch((error: unknown) => {
  const hint = error instanceof KnitError && error.hint ? ` (${error.hint})` : '';
  process.stderr.write(`knit-dns: ${messageOf(error)}${hint}\n`);
  process.exit(1);
});
