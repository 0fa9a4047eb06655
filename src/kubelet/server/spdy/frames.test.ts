import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, inflateSync } from 'node:zlib';
import { dataHeader, type Frame, FrameDecoder, HeaderEncoder, ping, synStream } from './frames.ts';

const goaway = Buffer.from('8003000700000008' + '0000000000000000', 'hex');
const reset = Buffer.from('8003000300000008' + '0000000500000005', 'hex');
const settings = Buffer.from('8003000400000004' + '00000000', 'hex');

const stream = Buffer.concat([
  dataHeader(3, 5, false),
  Buffer.from('hello'),
  settings,
  ping(2),
  dataHeader(3, 0, true),
  reset,
  goaway,
]);

/** Frames without the borders between parts of one payload. */
function summary(frames: readonly Frame[]): string[] {
  const data = Buffer.concat(frames.map((frame) => (frame.type === 'data' ? frame.payload : Buffer.alloc(0))));
  const others = frames
    .filter((frame) => frame.type !== 'data' || frame.fin)
    .map((frame) =>
      'id' in frame
        ? `${frame.type} ${frame.id}`
        : 'streamId' in frame
          ? `${frame.type} ${frame.streamId}`
          : frame.type,
    );
  return [data.toString(), ...others];
}

const expected = ['hello', 'ping 2', 'data 3', 'reset 5', 'goaway'];

test('frames are found wherever the byte stream is cut', () => {
  for (let at = 0; at <= stream.length; at += 1) {
    const decoder = new FrameDecoder();
    const frames = [...decoder.decode(stream.subarray(0, at)), ...decoder.decode(stream.subarray(at))];
    assert.deepEqual(summary(frames), expected, `cut at ${at}`);
  }
});

test('frames are found in single bytes', () => {
  const decoder = new FrameDecoder();
  assert.deepEqual(summary([...stream].flatMap((byte) => [...decoder.decode(Buffer.of(byte))])), expected);
});

test('a control frame of a size that none has ends the connection', () => {
  assert.throws(() => [...new FrameDecoder().decode(Buffer.from('8003000400ffffff', 'hex'))], /SPDY control frame/);
});

test('header blocks are one zlib stream of name and value pairs', () => {
  const encoder = new HeaderEncoder();
  const blocks = Buffer.concat([encoder.encode({ streamtype: 'error' }), encoder.encode({ a: 'b' })]);
  const text = inflateSync(blocks, { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1');
  assert.equal(text, '\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05error' + '\0\0\0\x01\0\0\0\x01a\0\0\0\x01b');
});

test('SYN_STREAM names its stream and has its length', () => {
  const frame = synStream(7, Buffer.from('xyz'));
  assert.equal(frame.toString('hex'), '80030001' + '0000000d' + '00000007' + '00000000' + '0000' + '78797a');
});
