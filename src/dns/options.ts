import { parseArgs } from 'node:util';
import { KnitError } from '../base/errors.ts';
import { parseUpstream, type Upstream } from './resolvconf.ts';

export interface DnsOptions {
  readonly domain: string;
  /** Seconds. */
  readonly ttl: number;
  readonly address: string;
  readonly port: number;
  readonly healthPort: number;
  readonly readyPort: number;
  readonly metricsPort: number;
  /** File of the upstreams, read where `upstreams` is empty. */
  readonly resolvConf: string;
  readonly upstreams: readonly Upstream[];
  /** Upstreams at these addresses are ourselves, and are left out. */
  readonly ownAddresses: readonly string[];
  /** ms between SIGTERM and the end, in which questions are still answered while the Service forgets this pod. */
  readonly lameDuckMs: number;
}

/** Flags with what they stand for and their defaults; each also as a variable of the environment: `DNS_HEALTH_PORT`. */
export const dnsFlags = {
  domain: ['domain of the cluster', 'cluster.local'],
  ttl: ['seconds that answers may be kept', '30'],
  address: ['address to listen on; :: is both families', '0.0.0.0'],
  port: ['of DNS, over UDP and TCP', '53'],
  'health-port': ['of /health', '8080'],
  'ready-port': ['of /ready', '8181'],
  'metrics-port': ['of /metrics', '9153'],
  upstreams: ['who is asked for all other names, 10.0.0.2,10.0.0.3:5353; none: those of --resolv-conf', ''],
  'resolv-conf': ['file that names the upstreams, followed as it changes', '/etc/resolv.conf'],
  'own-addresses': ["addresses of this server's own, which are never asked", ''],
  'lame-duck-ms': ['time between the signal to end and the end, in which answers go on', '5000'],
} as const;

type Flag = keyof typeof dnsFlags;

/** Throws {@link KnitError} `BAD_FLAG` that names the flag. */
export function parseDnsOptions(args: readonly string[], env: NodeJS.ProcessEnv): DnsOptions {
  const options = Object.fromEntries(Object.keys(dnsFlags).map((flag) => [flag, { type: 'string' as const }]));
  const { values } = parse(args, options);
  const text = (flag: Flag): string => {
    const given = values[flag] ?? env[`DNS_${flag.replaceAll('-', '_').toUpperCase()}`];
    return typeof given === 'string' ? given : dnsFlags[flag][1];
  };
  const number = (flag: Flag, max: number): number => {
    const value = Number(text(flag));
    if (!Number.isInteger(value) || value < 0 || value > max)
      throw new KnitError('BAD_FLAG', `--${flag}: "${text(flag)}" is not a whole number from 0 to ${max}`);
    return value;
  };
  return {
    domain: text('domain'),
    ttl: number('ttl', 3600),
    address: text('address'),
    port: number('port', 65_535),
    healthPort: number('health-port', 65_535),
    readyPort: number('ready-port', 65_535),
    metricsPort: number('metrics-port', 65_535),
    resolvConf: text('resolv-conf'),
    upstreams: listOf(text('upstreams')).map(upstream),
    ownAddresses: listOf(text('own-addresses')),
    lameDuckMs: number('lame-duck-ms', 60_000),
  };
}

function parse(args: readonly string[], options: Record<string, { type: 'string' }>) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false });
  } catch (error) {
    throw new KnitError('BAD_FLAG', error instanceof Error ? error.message : String(error));
  }
}

function upstream(text: string): Upstream {
  const parsed = parseUpstream(text);
  if (!parsed)
    throw new KnitError('BAD_FLAG', `--upstreams: "${text}" is not an address`, 'write 10.0.0.2 or 10.0.0.2:53');
  return parsed;
}

function listOf(text: string): string[] {
  return text.split(',').filter((item) => item !== '');
}
