import { type Command, Option } from 'commander';
import { KnitError } from '../base/errors.ts';
import { createClient, transportFromKubeconfig } from '../client/index.ts';
import type { ClusterConfig } from '../cluster/config.ts';
import { kernelFacts } from '../cluster/kernel-facts.ts';
import { proxySource } from '../cluster/overlay.ts';
import { adminClient } from '../cluster/ready.ts';
import { runningConfig } from '../cluster/running.ts';
import { explain } from '../trace/explain/explain.ts';
import { clientSource, Facts, type Source, wholeSource } from '../trace/explain/facts.ts';
import { drawExplanation, drawSweep } from '../trace/explain/render.ts';
import { sweep } from '../trace/explain/sweep.ts';
import { nameOption, outputOption, parseCount } from './options.ts';
import { bold, dim, green, print, printJson, red } from './output.ts';

interface Flags {
  readonly name: string;
  readonly port?: number;
  readonly protocol?: 'tcp' | 'udp' | 'icmp';
  readonly all?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: string;
}

const ink = { bold, dim, good: green, bad: red };

export function explainCommand(program: Command): void {
  program
    .command('explain')
    .description('say why one place cannot reach another, without sending a packet')
    .argument('[from]', 'pod/NAMESPACE/NAME, node/NAME, client/NAME or outside')
    .argument(
      '[to]',
      'the same, service/…, ingress/…, gateway/NAMESPACE/NAME, an address, a name or a URL; :PORT may follow',
    )
    .addOption(nameOption())
    .option('--port <port>', 'to which port', parseCount(0, 65_535))
    .addOption(
      new Option('--protocol <protocol>', 'default: what the Service says, else tcp').choices(['tcp', 'udp', 'icmp']),
    )
    .option('--all', 'look at everything in the cluster')
    .option('--kubeconfig <file>', 'of any cluster: only its objects are looked at')
    .option('--context <context>', 'in that file; default: its current one')
    .addOption(outputOption())
    .action(async (from: string | undefined, to: string | undefined, flags: Flags) => {
      const { client, close, config } = await clusterOf(flags);
      try {
        if (flags.all) {
          const found = await sweep(factsOf(wholeSource(client), config));
          if (flags.output === 'json') printJson(found);
          else print(drawSweep(found, ink));
          return;
        }
        if (from === undefined || to === undefined)
          throw new KnitError(
            'TARGET_UNKNOWN',
            'from where to where?',
            'knit explain pod/NAMESPACE/NAME service/NAMESPACE/NAME, or --all',
          );
        const { port, protocol } = flags;
        const facts = factsOf(clientSource(client), config);
        const kernel = config && process.getuid?.() === 0 ? kernelFacts(config) : undefined;
        const answer = await explain(facts, { from, to, port, protocol, ...outsideOf(config) }, kernel);
        if (flags.output === 'json') printJson(answer);
        else print(drawExplanation(answer, ink));
        if (answer.verdict === 'denied') process.exitCode = 2;
      } finally {
        await close();
      }
    });
}

async function clusterOf({ kubeconfig, context, name }: Flags) {
  if (kubeconfig === undefined) {
    const config = runningConfig(name);
    return { config, ...adminClient(config) };
  }
  const transport = await transportFromKubeconfig(kubeconfig, context);
  return { config: undefined, client: createClient(transport), close: () => transport.close() };
}

const factsOf = (source: Source, config: ClusterConfig | undefined): Facts =>
  new Facts(source, config?.spec.dns.domain, config && proxySource(config));

function outsideOf(config: ClusterConfig | undefined) {
  if (!config) return {};
  return {
    clients: Object.fromEntries(config.clients.map(({ name, address }) => [name, address])),
    outsideAddresses: Object.fromEntries(config.nodes.map(({ name, outsideAddress }) => [name, outsideAddress])),
  };
}
