import { isIP } from 'node:net';

export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** The name servers of a resolv.conf, in order and without repeats. */
export function parseNameServers(text: string): Upstream[] {
  const addresses = text.split('\n').flatMap((line) => {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    return keyword === 'nameserver' && isIP(address.replace(/%.*$/, '')) ? [address] : [];
  });
  return [...new Set(addresses)].map((address) => ({ address, port: 53 }));
}

/** An upstream as a flag has it: `10.0.0.2`, `10.0.0.2:5353`, `[fd00::1]:53`, `fd00::1`. */
export function parseUpstream(text: string): Upstream | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  return isIP(address) ? { address, port: Number(port ?? 53) } : undefined;
}
