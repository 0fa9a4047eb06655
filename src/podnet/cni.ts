import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface CNIConfigOptions {
  /** One a family. */
  readonly podCIDRs: readonly string[];
  /** Where `host-local` remembers which address is whose; the node's own. */
  readonly dataDir: string;
  /** Left out: the link's default. */
  readonly mtu?: number;
}

export const CONFLIST_NAME = '10-knit.conflist';

/**
 * The CNI configuration of a node: a routed veth a pod (`ptp`), addresses from the node's pod CIDR. No bridge: what a
 * pod sends is routed, and so passes the rules of the node. Nothing else is in it, because host ports and masquerade
 * are rules of our own.
 */
export function cniConfig({ podCIDRs, dataDir, mtu }: CNIConfigOptions): string {
  const plugin = {
    type: 'ptp',
    ipMasq: false,
    ...(mtu === undefined ? {} : { mtu }),
    ipam: {
      type: 'host-local',
      dataDir,
      ranges: podCIDRs.map((subnet) => [{ subnet }]),
      routes: podCIDRs.map((subnet) => ({ dst: subnet.includes(':') ? '::/0' : '0.0.0.0/0' })),
    },
  };
  return `${JSON.stringify({ cniVersion: '0.3.1', name: 'knit', plugins: [plugin] }, undefined, 2)}\n`;
}

/** Writes it in one step, and only where it differs: the runtime reads it again on every change. */
export async function writeCNIConfig(dir: string, text: string): Promise<boolean> {
  const path = join(dir, CONFLIST_NAME);
  const there = await readFile(path, 'utf8').catch(() => undefined);
  if (there === text) return false;
  await mkdir(dir, { recursive: true });
  // The runtime loads only *.conf, *.conflist and *.json: the half-written file is none of them.
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
  return true;
}
