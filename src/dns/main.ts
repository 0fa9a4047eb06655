import { KnitError, messageOf } from '../base/errors.ts';
import { inClusterTransport } from '../client/incluster.ts';
import { parseDnsOptions } from './options.ts';
import { runDns } from './run.ts';

/** The process that a pod of cluster DNS runs. */
async function main(): Promise<void> {
  const options = parseDnsOptions(process.argv.slice(2), process.env);
  await runDns(options, await inClusterTransport());
}

main().catch((error: unknown) => {
  const hint = error instanceof KnitError && error.hint ? ` (${error.hint})` : '';
  process.stderr.write(`knit-dns: ${messageOf(error)}${hint}\n`);
  process.exit(1);
});
