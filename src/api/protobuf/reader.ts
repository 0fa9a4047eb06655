/** One field as it stands on the wire. */
export type WireField =
  | { readonly number: number; readonly kind: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly kind: 'fixed'; readonly value: Uint8Array }
  | { readonly number: number; readonly kind: 'bytes'; readonly value: Uint8Array };

/**
 * The fields of a message in the order they come (protobuf.dev/programming-guides/encoding).
 *
 * @throws RangeError for bytes that end too early or are no message
 */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const cursor = new Cursor(bytes);
  while (!cursor.done) {
    const tag = Number(cursor.varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, kind: 'varint', value: cursor.varint() };
        break;
      case 1:
        yield { number, kind: 'fixed', value: cursor.take(8) };
        break;
      case 2:
        yield { number, kind: 'bytes', value: cursor.take(Number(cursor.varint())) };
        break;
      case 5:
        yield { number, kind: 'fixed', value: cursor.take(4) };
        break;
      default:
        throw new RangeError(`unknown wire type ${tag & 7} of field ${number}`);
    }
  }
}

/** All varints of a packed list. */
export function readVarints(bytes: Uint8Array): bigint[] {
  const cursor = new Cursor(bytes);
  const values: bigint[] = [];
  while (!cursor.done) values.push(cursor.varint());
  return values;
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('unexpected end of a protobuf message');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.take(1)[0]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a varint of a protobuf message is too long');
  }
}
