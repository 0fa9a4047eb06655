import { createWriteStream, existsSync, renameSync, rmSync, statSync, type WriteStream } from 'node:fs';
import type { Log } from '../../base/log.ts';

/** Kubernetes' advice for `--audit-log-maxsize` and `--audit-log-maxbackup`. */
const MAX_BYTES = 100 * 1024 * 1024;
const KEPT = 3;

/** One JSON object a line, in files that do not grow without end: `audit.log`, then `audit.log.1` … */
export class LogFile {
  readonly #path: string;
  readonly #log: Log;
  #stream: WriteStream;
  #size: number;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
    this.#size = existsSync(path) ? statSync(path).size : 0;
    this.#stream = this.#open();
  }

  write(entry: object): void {
    const line = `${JSON.stringify(entry)}\n`;
    if (this.#size > MAX_BYTES) this.#rotate();
    this.#size += Buffer.byteLength(line);
    this.#stream.write(line);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(resolve));
  }

  #open(): WriteStream {
    const stream = createWriteStream(this.#path, { flags: 'a', mode: 0o600 });
    // A full disk stops no request.
    stream.on('error', (error) => this.#log.warn('the audit log cannot be written', { path: this.#path, error }));
    return stream;
  }

  #rotate(): void {
    this.#stream.end();
    rmSync(`${this.#path}.${KEPT}`, { force: true });
    for (let i = KEPT - 1; i >= 0; i--) {
      const from = i === 0 ? this.#path : `${this.#path}.${i}`;
      if (existsSync(from)) renameSync(from, `${this.#path}.${i + 1}`);
    }
    this.#size = 0;
    this.#stream = this.#open();
  }
}
