import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';

/** Where the machine's resolvers are written; the second is that of systemd-resolved, which hides them behind a stub. */
const files = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** `resolv.conf` for those who cannot reach this machine's loopback: its resolvers that are elsewhere. */
export function machineResolvConf(): string {
  const found = files.map((file) => resolversIn(readIfThere(file))).find((resolvers) => resolvers.length > 0);
  return (found ?? []).map((address) => `nameserver ${address}\n`).join('');
}

/** IPv4 name servers of a `resolv.conf` (resolv.conf(5)) that are not on the loopback. */
export function resolversIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    return keyword === 'nameserver' && isIPv4(address) && !address.startsWith('127.') ? [address] : [];
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
