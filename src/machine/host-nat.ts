import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineInterfaces } from '../kernel/ip.ts';
import { run, tryRun } from '../kernel/run.ts';

/** A cluster whose way out is the host's own routing (`--uplink nat`). */
export interface HostNat {
  /** Name of its table in the host's nftables: `knit`, `knit-demo`. */
  readonly prefix: string;
  readonly hostInterface: string;
  /** Folder, shared by all clusters, that remembers which interfaces forward only for them. */
  readonly records: string;
}

/**
 * Opens the host for one cluster: one nftables table of its own, and forwarding on the interfaces that answers come in
 * by. A forward chain of somebody else's that drops (Docker's) still drops.
 */
export async function openHostNat(nat: HostNat): Promise<void> {
  await run('nft', ['-f', '-'], { input: hostNatRules(nat) });
  for (const name of await machineInterfaces()) {
    if (!forwards(name) || existsSync(join(nat.records, name))) takeForwarding(nat, name);
  }
  // The cluster's own link is always recorded: by that `closeHostNat` knows that there is something to take away.
  takeForwarding(nat, nat.hostInterface);
}

/** Takes all of that away again, also what a crash left. Does nothing where nothing is. */
export async function closeHostNat({ prefix, records }: Pick<HostNat, 'prefix' | 'records'>): Promise<void> {
  if (!existsSync(records)) return;
  for (const name of readdirSync(records)) releaseForwarding({ prefix, records }, name);
  removeIfEmpty(records);
  await tryRun('nft', ['delete', 'table', 'ip', prefix]);
}

/** The whole table: loading it replaces what was there in one step. */
export function hostNatRules({ prefix, hostInterface }: Pick<HostNat, 'prefix' | 'hostInterface'>): string {
  return `
table ip ${prefix} {}
delete table ip ${prefix}
table ip ${prefix} {
  comment "knit: the way out of the cluster ${prefix}"
  chain forward {
    type filter hook forward priority filter
    oifname "${hostInterface}" ct direction original iifname != "${hostInterface}" drop comment "nobody comes in this way"
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    iifname "${hostInterface}" oifname != "${hostInterface}" masquerade comment "the cluster leaves under this machine's address"
  }
}`;
}

/** Forwarding that was off before the first cluster wanted it is off again after the last. */
function takeForwarding({ prefix, records }: HostNat, name: string): void {
  const folder = join(records, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, prefix), '');
  writeFileSync(forwardingFile(name), '1');
}

function releaseForwarding({ prefix, records }: Pick<HostNat, 'prefix' | 'records'>, name: string): void {
  const folder = join(records, name);
  rmSync(join(folder, prefix), { force: true });
  const file = forwardingFile(name);
  if (removeIfEmpty(folder) && existsSync(file)) writeFileSync(file, '0');
}

function forwards(name: string): boolean {
  return readFileSync(forwardingFile(name), 'utf8').trim() === '1';
}

function forwardingFile(name: string): string {
  return `/proc/sys/net/ipv4/conf/${name}/forwarding`;
}

function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
