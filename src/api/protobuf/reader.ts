import protobuf from 'protobufjs/minimal.js';

/** One field as it stands on the wire. Numbers are signed, as all whole numbers of Kubernetes' types are. */
export type WireField =
  | { readonly number: number; readonly kind: 'varint' | 'double'; readonly value: number }
  | { readonly number: number; readonly kind: 'bytes'; readonly value: Uint8Array };

/**
 * The fields of a message in the order they come (protobuf.dev/programming-guides/encoding), but for forms that no type
 * of Kubernetes has.
 *
 * @throws Error for bytes that end too early or are no message
 */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, kind: 'varint', value: integer(reader) };
        break;
      case 1:
        yield { number, kind: 'double', value: reader.double() };
        break;
      case 2:
        yield { number, kind: 'bytes', value: reader.bytes() };
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
}

/** All numbers of a packed list. */
export function readVarints(bytes: Uint8Array): number[] {
  const reader = protobuf.Reader.create(bytes);
  const values: number[] = [];
  while (reader.pos < reader.len) values.push(integer(reader));
  return values;
}

const integer = (reader: protobuf.Reader): number => protobuf.util.LongBits.from(reader.int64()).toNumber();
