import type { Log } from '../base/log.ts';
import { checkIptables, openIptables } from '../kernel/iptables.ts';
import { type Nft, openNft } from '../kernel/nft.ts';
import type { Backend } from './backend.ts';
import { iptablesBackend } from './iptables/backend.ts';
import { nftablesBackend } from './nftables/backend.ts';
import type { Masquerade } from './plan.ts';

/** How Services stand in a node's kernel: as maps, or as kube-proxy's classic chains. */
export type ProxyMode = 'nftables' | 'iptables';

export interface BackendTools {
  readonly nft: Nft;
  readonly log: Log;
}

/** Removes what the proxy wrote on this node, in whichever mode. */
export async function removeAllModes(log: Log): Promise<void> {
  const nft = openNft({ log });
  try {
    await removeOtherModes('nftables', { nft, log });
    await nftablesBackend({ nft, log }).cleanup();
  } finally {
    await nft.stop();
  }
}

/** What a plan must say for the back end of this mode. */
export const masqueradeOf: Readonly<Record<ProxyMode, Masquerade>> = { nftables: 'remote', iptables: 'always' };

/** Throws what `checkIptables` throws where the mode needs iptables. */
export async function openBackend(mode: ProxyMode, { nft, log }: BackendTools): Promise<Backend> {
  if (mode !== 'iptables') return nftablesBackend({ nft, log });
  await checkIptables();
  return iptablesBackend({ iptables: openIptables(), log });
}

/**
 * Removes what the other mode left on this node. To be called when the own rules stand: connections go on, and new
 * ones find a way at any time.
 */
export async function removeOtherModes(mode: ProxyMode, { nft, log }: BackendTools): Promise<void> {
  if (mode === 'iptables') return await nftablesBackend({ nft, log }).cleanup();
  // iptables need not be installed here: where it never ran, its tables are not there.
  const tables = await Promise.all([nft.listRules('ip', 'nat'), nft.listRules('ip6', 'nat')]);
  if (tables.some((rules) => rules?.includes('chain KUBE-SERVICES '))) {
    log.info('removing the rules that the proxy mode iptables left');
    await iptablesBackend({ iptables: openIptables(), log }).cleanup();
  }
}
