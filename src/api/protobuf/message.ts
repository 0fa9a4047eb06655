import type { ProtobufFields } from '../schema/compact.ts';
import { definitionOf, loadProtobufFields, loadSchema } from '../schema/index.ts';
import type { Definition, Schema, Type } from '../schema/schema.ts';

/** A field of a message: either a field of the JSON object, or a message whose fields are this one's in JSON. */
export type MessageField = {
  /** A pointer in Go: it is there if it is on the wire, whatever its value. */
  readonly pointer: boolean;
  readonly form: Form | undefined;
} & ({ readonly name: string; readonly type: Type } | { readonly inline: Message });

/**
 * What Go has around a value that JSON shows bare: one of several fields by what the value is
 * (`JSONSchemaPropsOrBool`), a message of one list, or a message without fields.
 */
export type Form = keyof typeof forms;

const forms = {
  JSONSchemaPropsOrArray: true,
  JSONSchemaPropsOrBool: true,
  JSONSchemaPropsOrStringArray: true,
  List: true,
  Empty: true,
};

const formOf = (name: string | undefined): Form | undefined =>
  name !== undefined && name in forms ? (name as Form) : undefined;

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
    for (const [, part, digits, mark, form] of line.matchAll(/(\S+)=(\d+)(\??)(?::(\w+))?/g)) {
      const field = this.#field(part!, owner);
      if (field) message.set(Number(digits), { ...field, pointer: mark === '?', form: formOf(form) });
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

let known: Messages | undefined;

/** The messages of all built-in kinds. */
export function messages(): Messages {
  known ??= new Messages(loadSchema(), loadProtobufFields());
  return known;
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** The message of a kind; `undefined` for one that has no form in protobuf. */
export function messageOfKind(apiVersion: string, kind: string): Message | undefined {
  if (kind === 'PartialObjectMetadata' && apiVersion === 'meta.k8s.io/v1') return partialMessage();
  const definition = definitionOf(loadSchema(), apiVersion, kind);
  return definition === undefined ? undefined : messages().of(definition);
}

/** meta.k8s.io/v1 PartialObjectMetadata, of which the schema does not know: `metadata = 1`. */
function partialMessage(): Message {
  const definition = loadSchema().definition(`${META}.ObjectMeta`);
  if (!definition) return new Map();
  return new Map([[1, { name: 'metadata', type: { kind: 'struct', definition }, pointer: false, form: undefined }]]);
}

/** apiextensions.k8s.io/v1 JSONSchemaProps, which its unions hold. */
export const schemaMessage = (): Message => messages().of(SCHEMA) ?? new Map();

const SCHEMA = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
