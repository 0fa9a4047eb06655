import { percent } from '../base/percent.ts';
import { measureIngress, readIngressBalanceInput } from '../cluster/ingress-balance.ts';
import { adminClient } from '../cluster/ready.ts';
import { runningConfig } from '../cluster/running.ts';
import { masqueradeOf } from '../proxy/backends.ts';
import { type BackendBalance, ingressAdvice, ingressBalance } from '../trace/ingress-balance.ts';
import { bar, bold, dim, green, print, printJson, table } from './output.ts';

export interface IngressBalanceFlags {
  readonly name: string;
  readonly output: string;
  /** Look at the requests of others for so many seconds. */
  readonly seconds?: number;
}

/** Prints how requests to an Ingress spread over pods, through node ports and straight to them. */
export async function printIngressBalance(
  ref: { readonly namespace: string; readonly name: string },
  flags: IngressBalanceFlags,
): Promise<void> {
  const config = runningConfig(flags.name);
  const { client, close } = adminClient(config);
  const key = `${ref.namespace}/${ref.name}`;
  try {
    const { mode } = config.spec.proxy;
    const masquerade = mode === 'none' ? 'always' : masqueradeOf[mode];
    const backends = ingressBalance({ ...(await readIngressBalanceInput(client, ref)), masquerade });
    const measured = flags.seconds ? await measureIngress(config, key, flags.seconds) : undefined;
    if (flags.output === 'json') {
      const withAdvice = backends.map((each) => ({
        ...each,
        advice: ingressAdvice(each),
        measured: Object.fromEntries(measured?.get(each.service) ?? []),
      }));
      return printJson({ ingress: key, backends: withAdvice });
    }
    print([bold(`Ingress ${key}`), ...backends.map((each) => draw(each, measured?.get(each.service)))].join('\n\n'));
  } finally {
    await close();
  }
}

function draw(balance: BackendBalance, measured: ReadonlyMap<string, number> | undefined): string {
  const { routes, service, mode, pods, throughNodes } = balance;
  const requests = [...(measured?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  const now = (text: string, isNow: boolean) => (isNow ? `${text} (now)` : `${text} (what if)`);
  const shade = (share: number | undefined, isNow: boolean) =>
    share === undefined ? dim('no node port') : isNow ? bar(share) : dim(bar(share));
  const rows = pods.map((each) => [
    each.pod,
    each.node,
    shade(each.nodes, mode === 'nodes'),
    shade(each.direct, mode === 'pods'),
    ...(measured ? [green(bar((measured.get(each.pod) ?? 0) / Math.max(1, requests)))] : []),
  ]);
  const head = [
    'POD',
    'NODE',
    now('by node ports', mode === 'nodes'),
    now('straight', mode === 'pods'),
    ...(measured ? ['measured'] : []),
  ];
  const hops = ['second hop', '', throughNodes ? percent(throughNodes.secondHop) : '', percent(0)];
  return [
    `${routes.join(', ')} → ${service}`,
    table([head, ...rows, hops]),
    ...(measured ? [`${requests} requests.`] : []),
    ingressAdvice(balance),
  ].join('\n');
}
