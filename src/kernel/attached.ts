import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { KnitError } from '../base/errors.ts';
import { waitFor } from '../base/wait.ts';

/** A command that runs beside this process and never outlives it, however this process ends. */
export interface Attached {
  readonly child: ChildProcess;
  /** Resolves with what it said on standard error, when it has ended. */
  readonly ended: Promise<string>;
  /** Asks it to end and waits until it has. */
  stop(signal?: NodeJS.Signals): Promise<string>;
}

const STOP_LIMIT_MS = 2000;

/** Starts `command`; the kernel ends it with the process that started it, also after SIGKILL. */
export function startAttached(command: readonly string[]): Attached {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined); // it ended without reading; `ended` tells
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', () => resolve(Buffer.concat(errors).toString()));
  });
  return {
    child,
    ended,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      return await ended.finally(() => clearTimeout(limit));
    },
  };
}

/** Resolves when `pattern` was seen on standard error; throws `CAPTURE_FAILED` with its last words if it ends first. */
export function untilSaid({ child, ended }: Attached, pattern: RegExp, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) resolve();
    });
    void ended.then((said) => reject(new KnitError('CAPTURE_FAILED', `${what}: ${said.trim() || 'it ended'}`)));
  });
}

/** Calls `listener` for each whole line of a command's standard output. */
export function onLine({ child }: Attached, listener: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) listener(line);
  });
}

/** Resolves when a command listens to events of netfilter: it has joined a group of its netlink socket. */
export async function untilListening({ child, ended }: Attached, what: string): Promise<void> {
  let failure: string | undefined;
  void ended.then((said) => (failure = said.trim() || 'it ended'));
  await waitFor(() => failure !== undefined || listensToNetfilter(child.pid ?? 0), {
    what: `${what} to listen`,
    timeoutMs: 20_000,
    intervalMs: 2,
  });
  if (failure !== undefined) throw new KnitError('CAPTURE_FAILED', `${what}: ${failure}`);
}

const NETLINK_NETFILTER = '12';

/** `/proc/PID/net/netlink` has the sockets of the process' network namespace: protocol, groups, and last the inode. */
function listensToNetfilter(pid: number): boolean {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)));
  const sockets = readFileSync(`/proc/${pid}/net/netlink`, 'utf8').split('\n');
  return sockets.some((line) => {
    const fields = line.trim().split(/\s+/);
    const [protocol, groups = '0'] = [fields[1], fields[3]];
    return protocol === NETLINK_NETFILTER && Number.parseInt(groups, 16) !== 0 && own.has(`socket:[${fields.at(-1)}]`);
  });
}
