import type { ProtobufFields } from '../schema/compact.ts';
import type { Definition, Schema, Type } from '../schema/schema.ts';

/** A field of a message: either a field of the JSON object, or a message whose fields are this one's in JSON. */
export type MessageField = {
  /** A pointer in Go: it is there if it is on the wire, whatever its value. */
  readonly pointer: boolean;
} & ({ readonly name: string; readonly type: Type } | { readonly inline: Message });

export type Message = ReadonlyMap<number, MessageField>;

/** Joins the numbers of a message's fields with their types; made once for each message. */
export class Messages {
  readonly #schema: Schema;
  readonly #fields: ProtobufFields;
  readonly #made = new Map<string, Message>();

  constructor(schema: Schema, fields: ProtobufFields) {
    this.#schema = schema;
    this.#fields = fields;
  }

  /** `undefined` for a definition whose numbers are not known. */
  of(definition: string): Message | undefined {
    const owner = this.#schema.definition(definition);
    return owner && this.#message(definition, owner);
  }

  /** `owner` knows the types of the fields of `name`, which it is or has inline. */
  #message(name: string, owner: Definition): Message | undefined {
    const key = `${owner.name} ${name}`;
    const known = this.#made.get(key);
    if (known) return known;
    const line = this.#fields[name];
    if (line === undefined) return undefined;
    const message = new Map<number, MessageField>();
    this.#made.set(key, message);
    for (const [, part, digits, mark] of line.matchAll(/(\S+)=(\d+)(\??)/g)) {
      const field = this.#field(part!, owner);
      if (field) message.set(Number(digits), { ...field, pointer: mark === '?' });
    }
    return message;
  }

  #field(part: string, owner: Definition) {
    if (part.startsWith('<')) {
      const inline = this.#message(part.slice(1), owner);
      return inline && { inline };
    }
    const field = owner.fields.get(part);
    return field && { name: part, type: field.type };
  }
}
