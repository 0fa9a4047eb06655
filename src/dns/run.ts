import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../base/log.ts';
import { knitVersion } from '../base/version.ts';
import type { Transport } from '../client/client.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { startDns } from './dns.ts';
import type { DnsOptions } from './options.ts';

/** Cluster DNS as a process, from its start to SIGTERM or SIGINT; a second signal ends it at once. Closes the transport. */
export async function runDns(options: DnsOptions, transport: Transport): Promise<void> {
  const log = createLog('dns');
  const signalled = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const informers = createInformers(createClient(transport, { userAgent: `knit-dns/${knitVersion}` }), log);
  const dns = await startDns({ ...options, informers, log, version: knitVersion });
  try {
    const signal = await Promise.race([signalled, dns.serving.then(() => signalled)]);
    log.info('stopping', { signal });
    dns.drain();
    await delay(options.lameDuckMs);
  } finally {
    await Promise.all([dns.stop(), informers.stop()]);
    await transport.close();
  }
}
