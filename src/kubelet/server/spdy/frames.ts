/**
 * Frames of SPDY/3.1, as far as a client of the container runtime's streaming server needs them
 * (SPDY Protocol, Draft 3.1, §2.2).
 */

const headerLength = 8;
const versionAndControl = 0x8003;
const finFlag = 0x01;
/** Control frames of the streaming protocol are tens of bytes long; a longer one is not this protocol. */
const maxControlLength = 64 * 1024;

const controlType = { synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goaway: 7, headers: 8 } as const;

export type Frame =
  | { readonly type: 'data'; readonly streamId: number; readonly payload: Buffer; readonly fin: boolean }
  /** SYN_REPLY or HEADERS: what they say beside `fin` is of no use to this client. */
  | { readonly type: 'headers'; readonly streamId: number; readonly fin: boolean }
  | { readonly type: 'reset'; readonly streamId: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway' };

/** Cuts a byte stream into frames. The payload of a data frame is handed on in parts as it arrives. */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);
  #data: { readonly streamId: number; readonly fin: boolean; left: number } | undefined;

  *decode(chunk: Buffer): Generator<Frame> {
    let input = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    for (;;) {
      if (this.#data) {
        const payload = input.subarray(0, this.#data.left);
        input = input.subarray(payload.length);
        this.#data.left -= payload.length;
        const { streamId, fin, left } = this.#data;
        if (left === 0) this.#data = undefined;
        if (payload.length > 0 || left === 0) yield { type: 'data', streamId, payload, fin: fin && left === 0 };
        if (left > 0) break;
        continue;
      }
      if (input.length < headerLength) break;
      const length = input.readUIntBE(5, 3);
      const fin = (input[4]! & finFlag) !== 0;
      if ((input[0]! & 0x80) === 0) {
        this.#data = { streamId: input.readUInt32BE(0), fin, left: length };
        input = input.subarray(headerLength);
        continue;
      }
      if (length > maxControlLength) throw new Error(`SPDY control frame of ${length} bytes`);
      if (input.length < headerLength + length) break;
      const frame = controlFrame(input.readUInt16BE(2), fin, input.subarray(headerLength, headerLength + length));
      input = input.subarray(headerLength + length);
      if (frame) yield frame;
    }
    this.#rest = input;
  }
}

/** SETTINGS and WINDOW_UPDATE are passed over: the runtimes' SPDY has no windows, TCP's hold the sender back. */
function controlFrame(type: number, fin: boolean, payload: Buffer): Frame | undefined {
  if (type === controlType.goaway) return { type: 'goaway' };
  if (payload.length < 4) return undefined;
  const id = payload.readUInt32BE(0);
  if (type === controlType.synReply || type === controlType.headers) return { type: 'headers', streamId: id, fin };
  if (type === controlType.rstStream) return { type: 'reset', streamId: id };
  if (type === controlType.ping) return { type: 'ping', id };
  return undefined;
}

function control(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt16BE(versionAndControl, 0);
  header.writeUInt16BE(type, 2);
  header.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([header, payload]);
}

/** SYN_STREAM of a stream that nobody's is associated with, with priority 0; `headers` is a block of {@link HeaderEncoder}. */
export function synStream(streamId: number, headers: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt32BE(streamId, 0);
  return control(controlType.synStream, Buffer.concat([fixed, headers]));
}

export function ping(id: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(id, 0);
  return control(controlType.ping, payload);
}

/** The eight bytes before a data frame's payload. */
export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt32BE(streamId, 0);
  header[4] = fin ? finFlag : 0;
  header.writeUIntBE(length, 5, 3);
  return header;
}

/**
 * Header blocks of one direction of one connection. SPDY wants them as one zlib stream (§2.6.10). Streams of exec have
 * one short header each, so nothing is compressed: each block is a stored deflate block (RFC 1951 §3.2.4) with an empty
 * one behind it, which makes the reader hand out what it has (a "sync flush"). The preset dictionary serves
 * compression alone and is left out (RFC 1950 §2.2, FDICT 0).
 */
export class HeaderEncoder {
  #started = false;

  encode(headers: Readonly<Record<string, string>>): Buffer {
    const entries = Object.entries(headers).flat();
    const block = Buffer.concat([
      uint32(entries.length / 2),
      ...entries.flatMap((text) => [uint32(Buffer.byteLength(text)), Buffer.from(text)]),
    ]);
    const zlibHeader = this.#started ? [] : [Buffer.of(0x78, 0x01)];
    this.#started = true;
    return Buffer.concat([...zlibHeader, storedHeader(block.length), block, storedHeader(0)]);
  }
}

function storedHeader(length: number): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt16LE(length, 1);
  header.writeUInt16LE(length ^ 0xffff, 3);
  return header;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}
