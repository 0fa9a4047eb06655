import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Log } from '../base/log.ts';

/** Process ids of nft that this process started: the kernel names the writer of each generation. */
class OwnProcesses {
  readonly #pids: number[] = [];

  add(pid: number | undefined): void {
    if (pid === undefined) return;
    this.#pids.push(pid);
    if (this.#pids.length > 256) this.#pids.shift();
  }

  has(pid: number): boolean {
    return this.#pids.includes(pid);
  }
}

/** All of this process: what one of its components commits is not foreign to another. */
const own = new OwnProcesses();

/** Of nft and of iptables, where this process started them: their commits are not foreign. */
export function commitsAreOurs(pid: number | undefined): void {
  own.add(pid);
}

/** `# new generation 7 by process 812 (nft)` */
const GENERATION = /^# new generation .*by process (\d+)/gm;

/** Reads who committed something to this namespace's nftables; runs only while somebody listens. */
export class CommitWatcher {
  readonly #enter: readonly string[];
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `enter` comes before a command that shall look at another namespace. */
  constructor(enter: readonly string[], log: Log) {
    this.#enter = enter;
    this.#log = log;
  }

  add(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (!this.#child) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#end();
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#listeners.clear();
    this.#end();
  }

  #start(): void {
    // It reads no standard input, so it would outlive a parent that is killed: the kernel ends it then.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...this.#enter, ...monitorCommand()], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    let rest = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const lines = rest + text;
      rest = lines.slice(lines.lastIndexOf('\n') + 1);
      const whole = lines.slice(0, lines.length - rest.length);
      const strangers = whole.matchAll(GENERATION).some(([, pid]) => !own.has(Number(pid)));
      if (strangers) this.#notify();
    });
    child.once('error', () => this.#ended(child));
    child.once('close', () => this.#ended(child));
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    if (this.#stopped || this.#listeners.size === 0) return;
    this.#log.warn('what tells of commits to nftables ended, starting it again');
    this.#restart = setTimeout(() => {
      this.#start();
      this.#notify(); // what happened meanwhile was not seen
    }, 1000).unref();
  }

  #end(): void {
    clearTimeout(this.#restart);
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGTERM');
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

/**
 * A listener of our own where there is Perl, which Debian and its like always have: `nft monitor` reads all elements
 * first, keeps them (80 MB of 10,000 Services) and prints each that comes.
 */
function monitorCommand(): readonly string[] {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean);
  return folders.some((folder) => existsSync(`${folder}/perl`)) ? ['perl', '-e', LISTENER] : ['nft', 'monitor'];
}

/**
 * Prints what `nft monitor` prints at the end of each commit, and nothing else: NFT_MSG_NEWGEN (0xa0f), which comes in a
 * datagram of its own. Its header has the writer's socket, which is numbered as the writer's process is in the writer's own
 * process namespace; the process that the message itself and `nft monitor` name is a stranger's inside a container. What
 * did not fit into the socket's buffer (64 MB) counts as somebody else's. linux/netlink.h, linux/netfilter/nf_tables.h.
 */
const LISTENER = `
socket(my $s, 16, 3, 12) or die "$!\\n";
setsockopt($s, 1, 33, pack("i", 1 << 26));
bind($s, pack("SSLL", 16, 0, 0, 1 << 6)) or die "$!\\n";
$| = 1;
while (1) {
  my $n = sysread($s, my $m, 65536);
  if (!defined $n) { print "# new generation by process 0\\n" if $! != 4; next }
  next if unpack("x4 S", $m) != 0xa0f;
  print "# new generation by process ", unpack("x12 L", $m), "\\n";
}`;
