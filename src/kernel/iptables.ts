import { spawn } from 'node:child_process';
import { KnitError } from '../base/errors.ts';
import { commitsAreOurs } from './commits.ts';
import { tryRun } from './run.ts';

export type IptablesTable = 'nat' | 'filter';
export type IptablesFamily = 'ipv4' | 'ipv6';

/** The iptables of the network namespace that this process is in, through the command that the machine calls iptables. */
export interface Iptables {
  /** What `iptables-save -t` says of one table, without counters. */
  save(family: IptablesFamily, table: IptablesTable): Promise<string>;
  /**
   * Commits `input`, which is in the format of iptables-save, leaving alone what it does not name. Each table in it is
   * a transaction of its own. Throws `IPTABLES_REFUSED` with what iptables said, `TIMEOUT`.
   */
  restore(family: IptablesFamily, input: string): Promise<void>;
}

export interface IptablesOptions {
  /** What comes before the commands; tests enter a namespace with it. */
  readonly enter?: readonly string[];
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

export function openIptables({ enter = [], timeoutMs = 60_000 }: IptablesOptions = {}): Iptables {
  const commandOf = (family: IptablesFamily, verb: string) => [
    ...enter,
    `${family === 'ipv6' ? 'ip6tables' : 'iptables'}-${verb}`,
  ];
  return {
    async save(family, table) {
      const [name = '', ...args] = [...commandOf(family, 'save'), '-t', table];
      const { code, stdout, stderr } = await tryRun(name, args, { timeoutMs });
      if (code !== 0) throw new KnitError('IPTABLES_REFUSED', `${name} ${args.join(' ')}: ${stderr.trim()}`);
      return stdout;
    },
    async restore(family, input) {
      if (input !== '') await commit([...commandOf(family, 'restore'), '--noflush', '-w'], input, timeoutMs);
    },
  };
}

/**
 * Throws `COMMAND_MISSING` where there is no iptables, `IPTABLES_LEGACY` where it is the one of the old kernel
 * interface: nobody is told of a change there, and its rules stand beside those that nft shows.
 */
export async function checkIptables(): Promise<string> {
  const { stdout } = await tryRun('iptables', ['--version']);
  const version = stdout.trim();
  if (version.includes('nf_tables')) return version;
  throw new KnitError(
    'IPTABLES_LEGACY',
    `${version} does not write nftables`,
    'choose the other one: update-alternatives --set iptables /usr/sbin/iptables-nft (and ip6tables likewise)',
  );
}

function commit([name = '', ...args]: readonly string[], input: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    commitsAreOurs(child.pid);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const errors: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.stdin.on('error', () => undefined); // it ended without reading everything; its exit code tells
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(error.code === 'ENOENT' ? new KnitError('COMMAND_MISSING', `${name} is not installed`) : error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0) return resolve();
      if (code === null) return reject(new KnitError('TIMEOUT', `${name} did not end within ${timeoutMs} ms`));
      reject(refused(name, Buffer.concat(errors).toString().trim(), input));
    });
    child.stdin.end(input);
  });
}

/** iptables names the line that it does not take; a reader wants to see it. */
function refused(name: string, message: string, input: string): KnitError {
  const number = /line:? (\d+)/.exec(message)?.[1];
  const line = number === undefined ? undefined : input.split('\n')[Number(number) - 1];
  return new KnitError('IPTABLES_REFUSED', `${name}: ${message.slice(0, 500)}${line ? `: ${line}` : ''}`);
}
