import { type ChildProcess, spawn } from 'node:child_process';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { CommitWatcher, commitsAreOurs } from './commits.ts';
import { tryRun } from './run.ts';

export type NftFamily = 'ip' | 'ip6' | 'inet';

/** The nftables of the network namespace that this process is in. */
export interface Nft {
  /**
   * Commits all commands of `transaction` (one a line, or whole `table … { }` blocks) or none of them.
   * Transactions are committed in the order of the calls. Throws `NFT_REFUSED` with the command that nft or the kernel
   * refused, `NFT_DIED` where nft ended before it answered (whether the commit took place is then unknown), `TIMEOUT`.
   */
  apply(transaction: string): Promise<void>;
  /** What `nft -j list table` says, or `undefined` where there is no such table. `terse` leaves out elements. */
  listJson(family: NftFamily, table: string): Promise<readonly unknown[] | undefined>;
  /** The table as text, without elements and counters: equal texts mean equal rules. */
  listRules(family: NftFamily, table: string): Promise<string | undefined>;
  /** Calls `listener` after each commit of another process in this namespace, until the returned function is called. */
  onForeignCommit(listener: () => void): () => void;
  stop(): Promise<void>;
}

export interface NftOptions {
  readonly log: Log;
  /** The command that is nft, with what comes before it. Default `nft`; tests enter a namespace with it. */
  readonly command?: readonly string[];
  /** The interactive nft is ended after it had nothing to do for so long. Default 30 s. */
  readonly idleMs?: number;
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

/** Longer transactions go to an nft of their own: reading lines costs more than starting, and memory goes back. */
const INTERACTIVE_LIMIT = 32 * 1024;
/** Answers one short line without reading anything from the kernel, where `list` would fetch every element. */
const ACK_COMMAND = 'describe mark';
const ACK_LINE = /^.*datatype mark \(packet mark\).*$/m;

export function openNft(options: NftOptions): Nft {
  const command = options.command ?? ['nft'];
  const timeoutMs = options.timeoutMs ?? 60_000;
  const session = new Session(command, options.idleMs ?? 30_000, timeoutMs);
  const watcher = new CommitWatcher(command.slice(0, -1), options.log);
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result;
    return result;
  };
  const list = async (flags: readonly string[], family: NftFamily, table: string): Promise<string | undefined> => {
    const [name = 'nft', ...prefix] = command;
    const result = await tryRun(name, [...prefix, ...flags, 'list', 'table', family, table], { timeoutMs });
    if (result.code === 0) return result.stdout;
    if (/No such file or directory/.test(result.stderr)) return undefined;
    throw refused(result.stderr, `list table ${family} ${table}`);
  };
  return {
    apply: (transaction) =>
      inOrder(async () => {
        if (transaction.trim() === '') return;
        const interactive = transaction.length <= INTERACTIVE_LIMIT && !transaction.includes('{\n');
        await (interactive ? session.commit(transaction) : commitOnce(command, transaction, timeoutMs));
      }),
    async listJson(family, table) {
      const text = await inOrder(() => list(['-j'], family, table));
      return text === undefined ? undefined : (JSON.parse(text) as { nftables: readonly unknown[] }).nftables;
    },
    async listRules(family, table) {
      const text = await inOrder(() => list(['-t', '-s'], family, table));
      return text?.replaceAll(/\n\s*elements = \{[^}]*\}/g, '');
    },
    onForeignCommit: (listener) => watcher.add(listener),
    async stop() {
      watcher.stop();
      await inOrder(() => session.stop());
    },
  };
}

/** Commits one long transaction through a process that ends with it. */
async function commitOnce(command: readonly string[], transaction: string, timeoutMs: number): Promise<void> {
  const [name = 'nft', ...prefix] = command;
  const child = spawn(name, [...prefix, '-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
  commitsAreOurs(child.pid);
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined); // it ended without reading everything; its exit code tells
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  child.stdin.end(transaction);
  const code = await ended.finally(() => clearTimeout(timer));
  if (code === null) throw new KnitError('NFT_DIED', 'nft was ended before it committed a transaction');
  if (code !== 0) throw refused(Buffer.concat(errors).toString(), transaction);
}

/** One `nft -i`, started when it is needed: a small commit through it takes under a millisecond. */
class Session {
  readonly #command: readonly string[];
  readonly #idleMs: number;
  readonly #timeoutMs: number;
  #child: ChildProcess | undefined;
  #output = '';
  #answer: ((output: string | undefined) => void) | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(command: readonly string[], idleMs: number, timeoutMs: number) {
    this.#command = command;
    this.#idleMs = idleMs;
    this.#timeoutMs = timeoutMs;
  }

  async commit(transaction: string): Promise<void> {
    clearTimeout(this.#idle);
    const child = this.#child ?? this.#start();
    const line = transaction.trim().replaceAll(/\s*\n\s*/g, '; ');
    const output = await this.#ask(child, `${line}\n${ACK_COMMAND}\n`);
    this.#idle = setTimeout(() => void this.stop(), this.#idleMs).unref();
    if (output === undefined) throw new KnitError('NFT_DIED', 'nft ended before it answered a transaction');
    if (/\bError:/.test(output)) throw refused(output, line);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.stdin?.end();
    child.kill('SIGTERM');
    await closed;
  }

  #start(): ChildProcess {
    // Errors and the acknowledgement must come in one order, so both go to one pipe.
    const child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...this.#command, '-i'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    commitsAreOurs(child.pid);
    this.#child = child;
    this.#output = '';
    child.stdin.on('error', () => undefined); // `close` follows and tells
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      if (ACK_LINE.test(this.#output)) this.#settle(this.#output);
    });
    const gone = () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#settle(undefined);
    };
    child.once('error', gone);
    child.once('close', gone);
    return child;
  }

  #ask(child: ChildProcess, text: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), this.#timeoutMs);
      this.#answer = (output) => {
        clearTimeout(timer);
        resolve(output);
      };
      child.stdin?.write(text);
    });
  }

  #settle(output: string | undefined): void {
    this.#output = '';
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(output);
  }
}

/** nft's message is "Error: why", the command, and a line of carets under the part that is wrong. */
function refused(output: string, transaction: string): KnitError {
  const why = /Error: (.*)/.exec(output)?.[1] ?? output.trim();
  return new KnitError('NFT_REFUSED', `nft: ${why}: ${offendingPart(output) ?? excerpt(transaction)}`);
}

function offendingPart(output: string): string | undefined {
  const lines = output.split('\n');
  const at = lines.findIndex((line) => /^\s*[\^~][\^~ ]*$/.test(line));
  const source = lines[at - 1];
  if (at < 1 || source === undefined) return undefined;
  const from = source.lastIndexOf(';', lines[at]?.indexOf('^') ?? 0) + 1;
  const end = source.indexOf(';', from);
  return excerpt(source.slice(from, end < 0 ? undefined : end).trim());
}

function excerpt(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}…`;
}
