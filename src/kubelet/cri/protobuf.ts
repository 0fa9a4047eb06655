/**
 * Protocol buffers (proto3) for the messages that the kubelet exchanges with the container runtime. A message is
 * declared once, as a value, and its TypeScript types follow from it; fields that are not declared are skipped when
 * reading. Loading this costs nothing measurable, a general library with its parser 15 to 50 ms of every agent's start.
 *
 * Encoding: https://protobuf.dev/programming-guides/encoding/
 */

/** A value's type on the wire. `I` is what may be written, `O` what is read. */
export interface Type<I, O = I> {
  readonly wireType: WireType;
  /** What is read where the field is not on the wire. */
  readonly zero: O;
  isZero(value: I): boolean;
  /** The value without its tag; length-delimited types write their length. */
  write(out: Writer, value: I): void;
  read(from: Reader): O;
}

export interface Field<I, O> {
  readonly number: number;
  initial(): O;
  write(out: Writer, value: I): void;
  read(from: Reader, wireType: number, before: O): O;
}

export interface Message<I, O> extends Type<I, O | undefined> {
  encode(value: I): Buffer;
  decode(bytes: Uint8Array): O;
}

// biome-ignore format: one line a case
type Fields = Readonly<Record<string, Field<never, unknown>>>;
type Input<F> = { readonly [K in keyof F]?: F[K] extends Field<infer I, infer _O> ? I : never };
type Output<F> = { readonly [K in keyof F]: F[K] extends Field<never, infer O> ? O : never };

/** What is read of a message. */
export type Read<M> = M extends Message<infer _I, infer O> ? O : never;
/** What may be written of a message: every field may be left out. */
export type Write<M> = M extends Message<infer I, infer _O> ? I : never;

type WireType = 0 | 2;
const VARINT = 0;
const LENGTH_DELIMITED = 2;

class Writer {
  private bytes = Buffer.allocUnsafe(256);
  private length = 0;

  varint(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    this.reserve(10);
    while (rest > 127n) {
      this.bytes[this.length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.length++] = Number(rest);
  }

  tag(field: number, wireType: WireType): void {
    this.varint(BigInt((field << 3) | wireType));
  }

  delimited(bytes: Uint8Array): void {
    this.varint(BigInt(bytes.length));
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  finish(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

class Reader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError('protobuf: the message ends inside a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new RangeError('protobuf: a number is longer than ten bytes');
  }

  delimited(): Buffer {
    const length = Number(this.varint());
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('protobuf: the message ends inside a field');
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === LENGTH_DELIMITED) this.delimited();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 5) this.at += 4;
    else throw new RangeError(`protobuf: wire type ${wireType} is not known`);
  }
}

export const string: Type<string> = {
  wireType: LENGTH_DELIMITED,
  zero: '',
  isZero: (value) => value === '',
  write: (out, value) => out.delimited(Buffer.from(value)),
  read: (from) => from.delimited().toString(),
};

export const bytes: Type<Uint8Array, Buffer> = {
  wireType: LENGTH_DELIMITED,
  zero: Buffer.alloc(0),
  isZero: (value) => value.length === 0,
  write: (out, value) => out.delimited(value),
  read: (from) => from.delimited(),
};

export const bool: Type<boolean> = {
  wireType: VARINT,
  zero: false,
  isZero: (value) => !value,
  write: (out, value) => out.varint(value ? 1n : 0n),
  read: (from) => from.varint() !== 0n,
};

/** int32, int64 and enums. A number above 2^53 loses its last bits: times in ns are then exact to 256 ns. */
export const int: Type<number> = {
  wireType: VARINT,
  zero: 0,
  isZero: (value) => value === 0,
  write: (out, value) => out.varint(BigInt(Math.trunc(value))),
  read: (from) => Number(BigInt.asIntN(64, from.varint())),
};

/** uint32 and uint64. */
export const uint: Type<number> = { ...int, read: (from) => Number(from.varint()) };

export function field<I, O>(number: number, type: Type<I, O>): Field<I, O> {
  return {
    number,
    initial: () => type.zero,
    write(out, value) {
      if (value === undefined || type.isZero(value)) return;
      out.tag(number, type.wireType);
      type.write(out, value);
    },
    read: (from) => type.read(from),
  };
}

export function repeated<I, O>(number: number, type: Type<I, O>): Field<readonly I[], readonly NonNullable<O>[]> {
  return {
    number,
    initial: () => [],
    write(out, values) {
      for (const value of values) {
        out.tag(number, type.wireType);
        type.write(out, value);
      }
    },
    read(from, wireType, before) {
      if (type.wireType === VARINT && wireType === LENGTH_DELIMITED) return [...before, ...unpack(from, type)];
      return [...before, type.read(from) as NonNullable<O>];
    },
  };
}

/** Numbers may stand in one length-delimited field, without tags ("packed"). */
function unpack<I, O>(from: Reader, type: Type<I, O>): NonNullable<O>[] {
  const packed = new Reader(from.delimited());
  const values: NonNullable<O>[] = [];
  while (!packed.done) values.push(type.read(packed) as NonNullable<O>);
  return values;
}

/** `map<string, string>` */
export function stringMap(number: number): Field<Readonly<Record<string, string>>, Readonly<Record<string, string>>> {
  return {
    number,
    initial: () => ({}),
    write(out, values) {
      for (const [key, value] of Object.entries(values)) {
        out.tag(number, LENGTH_DELIMITED);
        MapEntry.write(out, { key, value });
      }
    },
    read(from, _wireType, before) {
      const entry = MapEntry.read(from);
      return entry ? { ...before, [entry.key]: entry.value } : before;
    },
  };
}

export function message<F extends Fields>(fields: F): Message<Input<F>, Output<F>> {
  const entries = Object.entries(fields) as [string, Field<unknown, unknown>][];
  const byNumber = new Map(entries.map(([name, declared]) => [declared.number, { name, declared }]));

  const encode = (value: Input<F>): Buffer => {
    const out = new Writer();
    const values = value as Readonly<Record<string, unknown>>;
    for (const [name, declared] of entries) {
      const part = values[name];
      if (part !== undefined) declared.write(out, part);
    }
    return out.finish();
  };

  const decode = (from: Uint8Array): Output<F> => {
    const reader = new Reader(from);
    const result: Record<string, unknown> = {};
    for (const [name, declared] of entries) result[name] = declared.initial();
    while (!reader.done) {
      const tag = Number(reader.varint());
      const known = byNumber.get(tag >>> 3);
      if (known) result[known.name] = known.declared.read(reader, tag & 7, result[known.name]);
      else reader.skip(tag & 7);
    }
    return result as Output<F>;
  };

  return {
    wireType: LENGTH_DELIMITED,
    zero: undefined,
    isZero: () => false,
    write: (out, value) => out.delimited(encode(value)),
    read: (from) => decode(from.delimited()),
    encode,
    decode,
  };
}

const MapEntry = message({ key: field(1, string), value: field(2, string) });
