import protobuf from 'protobufjs/light.js';

/**
 * Messages of protocol buffers, declared as values from which both their TypeScript types and protobufjs' own types
 * follow. Fields that are not declared are skipped when reading.
 */

/** A value's type: its name in protobuf, `I` what may be written and `O` what is read (both for the compiler only). */
interface Type<I, O = I> {
  readonly name: string;
  readonly written?: (value: I) => void;
  readonly read?: O;
}

export interface Field<I, O = I> {
  as(name: string): protobuf.FieldBase;
  readonly written?: (value: I) => void;
  readonly read?: O;
}

export interface Message<I, O> extends Type<I, O | null> {
  encode(value: I): Uint8Array;
  /** Missing fields have their zero value; a missing message is null. Throws where the bytes end too early. */
  decode(bytes: Uint8Array): O;
}

type Fields = Readonly<Record<string, Field<never, unknown>>>;
type Input<F> = { readonly [K in keyof F]?: F[K] extends Field<infer I, infer _O> ? I : never };
type Output<F> = { readonly [K in keyof F]: F[K] extends Field<never, infer O> ? O : never };

/** What is read of a message. */
export type Read<M> = M extends Message<infer _I, infer O> ? O : never;
/** What may be written of a message: every field may be left out. */
export type Write<M> = M extends Message<infer I, infer _O> ? I : never;

export const string: Type<string> = { name: 'string' };
export const bytes: Type<Uint8Array, Buffer> = { name: 'bytes' };
export const bool: Type<boolean> = { name: 'bool' };
/** int32, int64 and enums. A number above 2^53 loses its last bits: times in ns are then exact to 256 ns. */
export const int: Type<number> = { name: 'int64' };
/** uint32 and uint64. */
export const uint: Type<number> = { name: 'uint64' };

export const field = <I, O>(number: number, type: Type<I, O>): Field<I, O> => ({
  as: (name) => new protobuf.Field(name, number, type.name),
});

export const repeated = <I, O>(number: number, type: Type<I, O>): Field<readonly I[], readonly NonNullable<O>[]> => ({
  as: (name) => new protobuf.Field(name, number, type.name, 'repeated'),
});

/** `map<string, string>` */
export const stringMap = (number: number): Field<Readonly<Record<string, string>>> => ({
  as: (name) => new protobuf.MapField(name, number, 'string', 'string'),
});

/** Messages find one another here, by names that never leave this process. */
const root = new protobuf.Root();
let declared = 0;

export function message<F extends Fields>(fields: F): Message<Input<F>, Output<F>> {
  const type = new protobuf.Type(`Message${++declared}`);
  for (const [name, declaration] of Object.entries(fields)) type.add(declaration.as(name));
  root.add(type);
  return {
    name: type.name,
    encode: (value) => type.encode(value).finish(),
    decode: (from) => type.toObject(type.decode(from), { defaults: true, longs: Number }) as Output<F>,
  };
}
