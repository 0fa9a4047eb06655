import type { Command } from 'commander';
import { KnitError } from '../base/errors.ts';
import { percent } from '../base/percent.ts';
import { createClient, transportFromKubeconfig } from '../client/index.ts';
import {
  type MeasuredBalance,
  measureLive,
  measureRequests,
  ownBalance,
  readBalanceInput,
} from '../cluster/balance.ts';
import { adminClient } from '../cluster/ready.ts';
import { runningConfig } from '../cluster/running.ts';
import { advice, type Balance, type BalanceInput, expectedBalance, policyOf } from '../trace/balance.ts';
import { printIngressBalance } from './ingress-balance.ts';
import { nameOption, outputOption, parseCount } from './options.ts';
import { bar, bold, dim, green, print, printJson, table } from './output.ts';

interface Flags {
  readonly name: string;
  readonly port?: string;
  readonly requests?: number;
  readonly live?: number | true;
  readonly kubeconfig?: string;
  readonly output: string;
}

/** Seconds that are looked at where nobody says how many. */
const defaultLiveSeconds = 10;

export function balanceCommand(program: Command): void {
  program
    .command('balance')
    .description(
      'how outside connections spread over the pods of a Service or an Ingress, and how they would otherwise',
    )
    .argument('<target>', 'service/NAME, ingress/NAME or with a namespace: service/NAMESPACE/NAME')
    .addOption(nameOption())
    .option('--port <port>', "name or number of the Service's port (default: the first)")
    .option('--requests <count>', 'open so many connections and see where they go', parseCount(1, 20_000))
    .option('--live [seconds]', 'see where the connections of others go', parseCount(1, 86_400))
    .option('--kubeconfig <file>', 'compute it for any cluster')
    .addOption(outputOption())
    .action(async (text: string, flags: Flags) => {
      const target = parseTarget(text);
      if (target.kind === 'ingress') return await balanceOfIngress(target, flags);
      const report = await (flags.kubeconfig
        ? reportOfOther(target, flags, flags.kubeconfig)
        : reportOfOwn(target, flags));
      if (flags.output === 'json') return printJson(asJson(report));
      print(draw(report));
    });
}

interface Report {
  readonly input: BalanceInput;
  readonly now: Balance;
  readonly other: Balance;
  readonly measured?: MeasuredBalance;
}

async function reportOfOwn(target: Target, flags: Flags): Promise<Report> {
  const config = runningConfig(flags.name);
  const { client, close } = adminClient(config);
  try {
    const read = await readBalanceInput(client, target);
    const input = { ...read, ...ownBalance(config), port: flags.port };
    const report = expected(input);
    const { requests, live, port } = flags;
    if (requests)
      return { ...report, measured: await measureRequests(config, input.service, { port, count: requests }) };
    if (!live) return report;
    const seconds = live === true ? defaultLiveSeconds : live;
    return { ...report, measured: await measureLive(config, input.service, { port, seconds }) };
  } finally {
    await close();
  }
}

async function reportOfOther(target: Target, flags: Flags, kubeconfig: string): Promise<Report> {
  if (flags.requests || flags.live) {
    throw new KnitError(
      'BALANCE_NOT_HERE',
      'only clusters of this machine can be measured',
      'leave --requests and --live out',
    );
  }
  const transport = await transportFromKubeconfig(kubeconfig);
  try {
    const input = await readBalanceInput(createClient(transport), target);
    return expected({ ...input, masquerade: 'always', port: flags.port });
  } finally {
    await transport.close();
  }
}

function expected(input: BalanceInput): Report {
  const policy = policyOf(input.service);
  return {
    input,
    now: expectedBalance(input, policy),
    other: expectedBalance(input, policy === 'Local' ? 'Cluster' : 'Local'),
  };
}

interface Target {
  readonly kind: 'service' | 'ingress';
  readonly namespace: string;
  readonly name: string;
}

function parseTarget(text: string): Target {
  const [, kind, namespace = 'default', name] = /^(service|ingress)\/(?:([^/]+)\/)?([^/]+)$/.exec(text) ?? [];
  if (name) return { kind: kind as Target['kind'], namespace, name };
  throw new KnitError(
    'TARGET_UNKNOWN',
    `${text} is no Service or Ingress`,
    'write service/NAME or ingress/NAMESPACE/NAME',
  );
}

async function balanceOfIngress(
  target: Target,
  { name, output, live, requests, kubeconfig, port }: Flags,
): Promise<void> {
  if (requests || kubeconfig || port) {
    throw new KnitError('BALANCE_NOT_HERE', 'of an Ingress only --live is measured', 'send requests to it meanwhile');
  }
  await printIngressBalance(target, { name, output, seconds: live === true ? defaultLiveSeconds : live });
}

function draw({ input, now, other, measured }: Report): string {
  const { metadata, status } = input.service;
  const address = status?.loadBalancer?.ingress?.map(({ ip }) => ip).join(', ');
  const rows = now.pods.map((pod) => {
    const would = other.pods.find(({ endpoint }) => endpoint === pod.endpoint)?.share ?? 0;
    const count = measured?.endpoints.get(pod.endpoint) ?? 0;
    return [
      pod.pod,
      pod.node,
      bar(pod.share),
      ...(measured ? [green(bar(count / Math.max(1, measured.connections)))] : []),
      dim(bar(would)),
    ];
  });
  const columns = (...cells: (string | undefined)[]) => ['', '', ...cells.filter((cell) => cell !== undefined)];
  const hops = measured && percent(measured.secondHops / Math.max(1, measured.connections));
  const kept = measured && percent(1 - measured.secondHops / Math.max(1, measured.connections));
  return [
    `${bold(`Service ${metadata?.namespace}/${metadata?.name}`)}${address ? ` · ${address}` : ''} · externalTrafficPolicy: ${now.policy}`,
    '',
    table([
      ['POD', 'NODE', `${now.policy} (now)`, ...(measured ? ['measured'] : []), `${other.policy} (what if)`],
      ...rows,
      columns('', measured && '', ''),
      ['second hop', ...columns(percent(now.secondHop), hops, percent(other.secondHop)).slice(1)],
      ['client’s address kept', ...columns(percent(now.clientKept), kept, percent(other.clientKept)).slice(1)],
    ]),
    '',
    ...(measured ? [measuredText(measured), ''] : []),
    advice(now, other),
  ].join('\n');
}

function measuredText({ connections, failed, oneHopMs, twoHopsMs }: MeasuredBalance): string {
  const lost = failed === 0 ? '' : `, ${failed} more that nobody took`;
  const times =
    oneHopMs === undefined || twoHopsMs === undefined
      ? ''
      : `; until one stood ${oneHopMs.toFixed(3)} ms with one hop, ${twoHopsMs.toFixed(3)} ms with two: the second hop adds ${Math.max(0, twoHopsMs - oneHopMs).toFixed(3)} ms`;
  return `${connections} connections${lost}${times}.`;
}

function asJson({ input, now, other, measured }: Report): object {
  return {
    service: `${input.service.metadata?.namespace}/${input.service.metadata?.name}`,
    now,
    other,
    advice: advice(now, other),
    ...(measured ? { measured: { ...measured, endpoints: Object.fromEntries(measured.endpoints) } } : {}),
  };
}
