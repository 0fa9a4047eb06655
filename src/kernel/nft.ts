import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync, writeFileSync } from 'node:fs';
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

/** Longer transactions, and whole blocks, are read from a file: reading a line costs nft three times as much. */
const LINE_LIMIT = 32 * 1024;
/** After such a one nft is ended as soon as it has nothing to do: it keeps the memory. */
const IDLE_AFTER_FILE_MS = 10;
/** Of the file, in nft. */
const FILE_DESCRIPTOR = 3;
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
        if (transaction.trim() !== '') await session.commit(transaction);
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

/** One `nft -i`, started when it is needed: a small commit through it takes under a millisecond. */
class Session {
  readonly #command: readonly string[];
  readonly #idleMs: number;
  readonly #timeoutMs: number;
  #child: ChildProcess | undefined;
  #file: number | undefined;
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
    const fromFile = transaction.length > LINE_LIMIT || transaction.includes('{\n');
    const text = fromFile ? this.#write(transaction) : transaction.trim().replaceAll(/\s*\n\s*/g, '; ');
    const output = await this.#ask(child, `${text}\n${ACK_COMMAND}\n`);
    const idleMs = fromFile ? Math.min(IDLE_AFTER_FILE_MS, this.#idleMs) : this.#idleMs;
    this.#idle = setTimeout(() => void this.stop(), idleMs).unref();
    if (output === undefined) throw new KnitError('NFT_DIED', 'nft ended before it answered a transaction');
    if (/\bError:/.test(output)) throw refused(output, transaction);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const child = this.#child;
    if (!child) return;
    this.#forget();
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.stdin?.end();
    child.kill('SIGTERM');
    await closed;
  }

  #start(): ChildProcess {
    this.#file = openUnnamed();
    // Errors and the acknowledgement must come in one order, so both go to one pipe.
    const child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...this.#command, '-i'], {
      stdio: ['pipe', 'pipe', 'ignore', this.#file],
    });
    commitsAreOurs(child.pid);
    this.#child = child;
    this.#output = '';
    child.stdin?.on('error', () => undefined); // `close` follows and tells
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      if (ACK_LINE.test(this.#output)) this.#settle(this.#output);
    });
    const gone = () => {
      if (this.#child !== child) return;
      this.#forget();
      this.#settle(undefined);
    };
    child.once('error', gone);
    child.once('close', gone);
    return child;
  }

  /** The command that has nft read the transaction. */
  #write(transaction: string): string {
    const file = this.#file ?? 0;
    ftruncateSync(file);
    // Whole, or it throws: half of a transaction may be one too.
    writeFileSync(file, `${transaction}\n`);
    return `include "/proc/self/fd/${FILE_DESCRIPTOR}"`;
  }

  #forget(): void {
    this.#child = undefined;
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
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

/** Of open(2); Node.js names all flags but this one. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** A file in memory that never has a name: it is gone with the last process that has it, however that ends. */
function openUnnamed(): number {
  return openSync('/dev/shm', O_TMPFILE | constants.O_RDWR | constants.O_APPEND, 0o600);
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
