/** What a reader of a log wants to see of it. */
export interface LogFilter {
  /** Put the time of the entry before each line. */
  readonly timestamps: boolean;
  /** Milliseconds since the epoch: earlier entries are left out. */
  readonly since?: number;
  /** At most this many bytes of output. */
  readonly limitBytes?: number;
  readonly stream: 'stdout' | 'stderr' | 'all';
}

const newline = 0x0a;
const space = 0x20;
const partialTag = 0x50; // P: the line goes on in the next entry of its stream

/** A line without an end may grow to this size before it is taken for damage and dropped. */
const maxEntryBytes = 1024 * 1024;

/**
 * Turns the bytes of a CRI log file into what its container wrote. An entry is
 * `2026-01-31T12:00:00.123456789Z stdout F text` (Kubernetes' CRI logging design); lines that are none are left out, as
 * the kubelet does.
 */
export class LogFormatter {
  readonly #filter: LogFilter;
  #rest: Buffer = Buffer.alloc(0);
  #left: number;
  #atLineStart = true;
  #sinceReached: boolean;

  constructor(filter: LogFilter) {
    this.#filter = filter;
    this.#left = filter.limitBytes ?? Number.POSITIVE_INFINITY;
    this.#sinceReached = filter.since === undefined;
  }

  /** True when `limitBytes` have been given. */
  get done(): boolean {
    return this.#left <= 0;
  }

  /** Takes the file's next bytes (which may be overwritten afterwards) and gives the output for all whole entries. */
  push(chunk: Buffer): Buffer {
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const output: Buffer[] = [];
    let start = 0;
    for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, start)) {
      this.#entry(data.subarray(start, end + 1), output);
      start = end + 1;
    }
    const rest = data.subarray(start);
    this.#rest = rest.length > maxEntryBytes ? Buffer.alloc(0) : Buffer.from(rest);
    return this.#limit(Buffer.concat(output));
  }

  #entry(line: Buffer, output: Buffer[]): void {
    const timeEnd = line.indexOf(space);
    const streamEnd = timeEnd < 0 ? -1 : line.indexOf(space, timeEnd + 1);
    const tagEnd = streamEnd < 0 ? -1 : line.indexOf(space, streamEnd + 1);
    if (tagEnd < 0) return;
    if (!this.#streamWanted(line, timeEnd + 1, streamEnd)) return;
    if (!this.#sinceReached && !this.#reachesSince(line, timeEnd)) return;
    const partial = line[streamEnd + 1] === partialTag;
    if (this.#filter.timestamps && this.#atLineStart) output.push(line.subarray(0, timeEnd + 1));
    output.push(line.subarray(tagEnd + 1, partial ? line.length - 1 : line.length));
    this.#atLineStart = !partial;
  }

  #streamWanted(line: Buffer, start: number, end: number): boolean {
    return this.#filter.stream === 'all' || line.toString('latin1', start, end) === this.#filter.stream;
  }

  /** Entries stand in the order of their times: what follows the first one that is late enough is too. */
  #reachesSince(line: Buffer, timeEnd: number): boolean {
    this.#sinceReached = Date.parse(line.toString('latin1', 0, timeEnd)) >= (this.#filter.since ?? 0);
    return this.#sinceReached;
  }

  #limit(output: Buffer): Buffer {
    const given = output.length > this.#left ? output.subarray(0, this.#left) : output;
    this.#left -= given.length;
    return given;
  }
}
