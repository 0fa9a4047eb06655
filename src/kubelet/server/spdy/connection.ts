import type { Duplex } from 'node:stream';
import { dataHeader, FrameDecoder, HeaderEncoder, ping, synStream } from './frames.ts';

export interface StreamReader {
  /** While the promise is pending nothing more is read from the connection, and TCP holds the peer back. */
  onData?(payload: Buffer): Promise<void> | void;
}

/** One stream that we opened. */
export interface SpdyStream {
  /** False where the connection's buffer is full: wait for {@link SpdyConnection.drained} before more is written. */
  write(payload: Buffer): boolean;
  /** Closes our half: the peer reads end of file. */
  end(): void;
}

/** One DATA frame carries at most this much, so that no reader must hold a large one. */
const maxDataLength = 64 * 1024;

/**
 * The client's side of a SPDY/3.1 connection on which only the client opens streams, as Kubernetes' remote command
 * protocol has it.
 */
export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #head: Buffer;
  readonly #decoder = new FrameDecoder();
  readonly #headers = new HeaderEncoder();
  readonly #readers = new Map<number, StreamReader>();
  #nextId = 1;

  /** `head`: bytes that came with the answer to the upgrade. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
    // The failure itself is reported by `run`, which reads the socket.
    socket.on('error', () => socket.destroy());
  }

  open(headers: Readonly<Record<string, string>>, reader: StreamReader = {}): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#readers.set(id, reader);
    this.#socket.write(synStream(id, this.#headers.encode(headers)));
    let ended = false;
    return {
      write: (payload) => ended || this.#writeData(id, payload),
      end: () => {
        if (ended) return;
        ended = true;
        if (this.#socket.writable) this.#socket.write(dataHeader(id, 0, true));
      },
    };
  }

  /** Calls `resume` once the connection takes data again. */
  drained(resume: () => void): void {
    this.#socket.once('drain', resume);
  }

  /** Reads until the peer says goodbye or closes; throws what the socket or a reader failed with. */
  async run(): Promise<void> {
    if (await this.#handle(this.#head)) return;
    for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
      if (await this.#handle(chunk)) return;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  /** True at the end of the conversation. */
  async #handle(chunk: Buffer): Promise<boolean> {
    for (const frame of this.#decoder.decode(chunk)) {
      if (frame.type === 'goaway') return true;
      // Even ids are the peer's own pings; it wants them back.
      if (frame.type === 'ping' && frame.id % 2 === 0) this.#socket.write(ping(frame.id));
      if (frame.type === 'data' && frame.payload.length > 0) {
        await this.#readers.get(frame.streamId)?.onData?.(frame.payload);
      }
      if (frame.type === 'reset') this.#readers.delete(frame.streamId);
    }
    return false;
  }

  #writeData(id: number, payload: Buffer): boolean {
    let room = true;
    if (!this.#socket.writable) return room;
    for (let start = 0; start < payload.length; start += maxDataLength) {
      const part = payload.subarray(start, start + maxDataLength);
      this.#socket.cork();
      this.#socket.write(dataHeader(id, part.length, false));
      room = this.#socket.write(part);
      this.#socket.uncork();
    }
    return room;
  }
}
