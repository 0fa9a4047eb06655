import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { KnitError } from '../../base/errors.ts';
import type { Nft } from '../../kernel/nft.ts';

/**
 * Throws `PROXY_RUNNING` where kube-proxy runs in this network namespace, `PROXY_LEFT` where it left its rules: two
 * proxies would translate the same packets.
 */
export async function refuseRivals(nft: Nft): Promise<void> {
  const pid = runningKubeProxy();
  if (pid !== undefined) {
    throw new KnitError(
      'PROXY_RUNNING',
      `kube-proxy runs on this node (pid ${pid})`,
      'end it, then: kube-proxy --cleanup',
    );
  }
  const left = await leftOfKubeProxy(nft);
  if (left)
    throw new KnitError('PROXY_LEFT', `kube-proxy left ${left} on this node`, 'take it away: kube-proxy --cleanup');
}

function runningKubeProxy(): number | undefined {
  const here = networkOf('self');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => commandOf(pid) === 'kube-proxy' && networkOf(pid) === here);
}

/** Its tables of nftables, or the chain by which it notices that somebody flushed those of iptables. */
async function leftOfKubeProxy(nft: Nft): Promise<string | undefined> {
  for (const family of ['ip', 'ip6'] as const) {
    if (await nft.listRules(family, 'kube-proxy')) return `the table ${family} kube-proxy`;
    const nat = await nft.listRules(family, 'nat');
    if (nat?.includes('chain KUBE-PROXY-CANARY ')) return `its chains in the table ${family} nat`;
  }
  return undefined;
}

/** A process may end while it is looked at. */
function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function networkOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
